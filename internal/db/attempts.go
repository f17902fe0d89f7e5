package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Attempt reports what [DB.ReserveAttempt] found: whether a password may be checked now,
// and against what.
type Attempt struct {
	// Known: it counted for the browser, not for the account.
	Known   bool
	Allowed bool // reserved and counted as a failure until something clears it
	// RetryAfter is when the next attempt will be let through; above 0 where not Allowed.
	RetryAfter time.Duration
	Now        time.Time // the database's
	// Subject is "" where nobody has the name; the fields below then mean nothing.
	Subject      string
	PasswordHash string
	Epoch        int64
	Disabled     bool
}

// Five attempts in a row are free, then each makes the next wait: 1 s, 2 s, 4 s, at most
// 15 minutes. After a day without attempts the count starts again. A row that blocks for
// more than the longest wait was written by a clock that has since been set back.
const (
	stale = `a.updated_at < authd.clock() - interval '1 day'`

	reserveAttempt = `
with counted as (
  select coalesce((select k.account from authd.login_attempts k where k.account = $2), $1) as account
)
insert into authd.login_attempts as a (account, failures, blocked_until, updated_at)
select c.account, 1, authd.clock(), authd.clock() from counted c
on conflict (account) do update set
  failures = case when ` + stale + ` then 1 else a.failures + 1 end,
  blocked_until = authd.clock() + case when ` + stale + ` or a.failures < 4 then interval '0'
    else least(interval '15 minutes', interval '1 second' * 2 ^ least(a.failures - 4, 10)) end,
  updated_at = authd.clock()
where a.blocked_until <= authd.clock() or a.blocked_until > authd.clock() + interval '16 minutes'`

	readAttempt = `
select authd.clock() as now,
  coalesce(extract(epoch from a.blocked_until - authd.clock()), 0)::float8 as wait_seconds,
  coalesce(u.sub, '') as subject, coalesce(u.password_hash, '') as password_hash,
  coalesce(s.epoch, 0) as epoch, s.disabled_at is not null as disabled, k.account is not null as known
from (select) as always
  left join authd.login_attempts k on k.account = $2
  left join authd.login_attempts a on a.account = coalesce(k.account, $1)
  left join authd.users u on u.username_key = $3
  left join authd.subjects s on s.subject = u.sub`
)

// ReserveAttempt counts an attempt to sign in before anything is checked, against account, or
// against browser if somebody has signed in there to that account (nil: no browser is known), and
// reads the user with the canonical name key: one round trip, the same for names that
// nobody has. When it returns, the count is committed, whatever becomes of the caller, and
// of any number of concurrent callers on any replica only as many are Allowed as the
// throttle lets through. The family that a sign-in begins clears the count.
func (d *DB) ReserveAttempt(ctx context.Context, account, browser []byte, key string) (Attempt, error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return Attempt{}, err
	}
	defer conn.Release()
	ctx, cancel := writing(ctx)
	defer cancel()
	var b pgx.Batch // one implicit transaction
	b.Queue(reserveAttempt, account, browser)
	b.Queue(readAttempt, account, browser, key) // a snapshot of its own, after the wait for the row
	a, err := collectAttempt(conn.SendBatch(ctx, &b))
	if err != nil {
		return Attempt{}, fault("reserve login attempt", err)
	}
	if err := durable(conn); err != nil {
		return Attempt{}, fmt.Errorf("reserve login attempt: %w", err)
	}
	return a, nil
}

func collectAttempt(results pgx.BatchResults) (Attempt, error) {
	reserved, errReserve := results.Exec()
	rows, _ := results.Query()
	row, errRead := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[attemptRow])
	for _, err := range []error{errReserve, errRead, results.Close()} { // Close commits
		if err != nil {
			return Attempt{}, err
		}
	}
	a := Attempt{
		Known: row.Known, Allowed: reserved.RowsAffected() == 1, Now: row.Now,
		Subject: row.Subject, PasswordHash: row.PasswordHash, Epoch: row.Epoch, Disabled: row.Disabled,
	}
	a.RetryAfter = max(0, time.Duration(row.WaitSeconds*float64(time.Second)))
	if !a.Allowed {
		a.RetryAfter = max(time.Second, a.RetryAfter) // the wait may have ended meanwhile
	}
	return a, nil
}

type attemptRow struct {
	Now          time.Time
	WaitSeconds  float64
	Subject      string
	PasswordHash string
	Epoch        int64
	Disabled     bool
	Known        bool
}
