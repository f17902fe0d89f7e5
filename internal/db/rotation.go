package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/failpoint"
	"github.com/go-authd/authd/internal/oauth"
)

// ErrLocked: somebody else held the family's row for longer than the lock timeout. Nothing
// was done.
var ErrLocked = fmt.Errorf("%w: family is locked", ErrUnavailable)

// ErrRolledBack: the database rolled the transaction back in favour of another one.
// Nothing was done, and it may be tried again.
var ErrRolledBack = fmt.Errorf("%w: rolled back", ErrUnavailable)

// Rotation is a transaction that holds the lock on one family. Exactly one of Step,
// Replay, Revoke, Confirm and Rollback ends it.
type Rotation struct {
	conn *pgxpool.Conn

	// Client and Family are nil where there is no such row.
	Client  *oauth.Client
	Family  *oauth.Family
	Subject Subject // of the family
	// KeyValid: the key that signed the token is known and not revoked.
	KeyValid bool
	// Arrival is when the transaction began, before it waited for the lock; Now is after.
	Arrival, Now time.Time
}

// BEGIN stands first: the pipeline must be one transaction of this isolation whatever
// the database's default is.
const (
	beginRotation = `begin isolation level read committed`
	// lock_timeout bounds each wait of a statement, of which there are two where others wait
	// for the row already: for one's turn, and for the row. statement_timeout bounds both.
	boundRotation = `select set_config('lock_timeout', '2s', true), set_config('statement_timeout', '2500ms', true),
  set_config('idle_in_transaction_session_timeout', '10s', true)`
	lockFamily = `select` + familyColumns + ` from authd.token_families f where f.id = $1 for update`
	// A join under FOR UPDATE would read rows as of before the wait: each state is a
	// statement of its own, with a fresh snapshot.
	readFamilySubject = `
select coalesce(s.epoch, 0) as epoch, s.ended_at, s.disabled_at, authd.arrival() as arrival, authd.clock() as now,
  exists (select from authd.signing_keys k where k.kid = $2 and k.ring = 'refresh' and k.revoked_at is null) as key_valid
from authd.token_families f left join authd.subjects s on s.subject = f.subject
where f.id = $1`
)

type subjectRow struct {
	Subject
	Arrival, Now time.Time
	KeyValid     bool
}

// BeginRotation locks the family and then reads the state of its subject, of the client
// that asks and of the key that signed the token, in one round trip. It returns
// [ErrLocked] after two seconds, or two and a half where others wait, too.
func (d *DB) BeginRotation(ctx context.Context, family, client, kid string) (*Rotation, error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	r := &Rotation{conn: conn}
	if err := r.begin(ctx, family, client, kid); err != nil {
		r.Rollback(ctx)
		return nil, lockFault("lock family", err)
	}
	return r, nil
}

func (r *Rotation) begin(ctx context.Context, family, client, kid string) error {
	var b pgx.Batch
	b.Queue(beginRotation)
	b.Queue(boundRotation)
	b.Queue(lockFamily, family).Query(func(rows pgx.Rows) error {
		row, err := optional[familyRow](rows)
		if row != nil {
			f := row.family()
			r.Family = &f
		}
		return err
	})
	b.Queue(readClient, client).Query(func(rows pgx.Rows) error {
		row, err := optional[clientRow](rows)
		if row != nil {
			c := row.client()
			r.Client = &c
		}
		return err
	})
	b.Queue(readFamilySubject, family, kid).Query(func(rows pgx.Rows) error {
		row, err := optional[subjectRow](rows)
		if row != nil {
			r.Subject, r.Arrival, r.Now, r.KeyValid = row.Subject, row.Arrival, row.Now, row.KeyValid
		}
		return err
	})
	return r.conn.SendBatch(ctx, &b).Close()
}

// optional reads one row or none.
func optional[T any](rows pgx.Rows) (*T, error) {
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return v, err
}

const stepFamily = `
update authd.token_families set generation = generation + 1, parent_jti = leaf_jti, leaf_jti = $2, leaf_kid = $3,
  leaf_iat = date_trunc('second', authd.clock()),
  leaf_exp = least(date_trunc('second', authd.clock()) + make_interval(secs => $4), absolute_exp),
  rotated_at = authd.clock(), replays = 0, last_address = $5, last_user_agent = nullif($6, '')
where id = $1
returning generation, leaf_iat, leaf_exp`

// Step makes the next generation and commits it. The family is brought up to date. Where
// from is zero, nothing stays of the use before: it would be taken for this one.
func (r *Rotation) Step(ctx context.Context, jti, kid string, ttl time.Duration, from oauth.Device) error {
	f := r.Family
	err := r.commit(ctx, stepFamily, []any{f.ID, jti, kid, ttl.Seconds(), address(from), from.UserAgent}, &f.Generation, &f.LeafIAT, &f.LeafExp)
	f.LeafJTI, f.LeafKID = jti, kid
	return err
}

const replayFamily = `update authd.token_families set replays = replays + 1 where id = $1 returning replays`

// Replay counts one answer inside the grace window and commits.
func (r *Rotation) Replay(ctx context.Context) error {
	return r.commit(ctx, replayFamily, []any{r.Family.ID}, &r.Family.Replays)
}

const endFamily = `
update authd.token_families set revoked_at = authd.clock(), revoked_reason = $2 where id = $1 returning id::text`

// Revoke ends the family and commits: only after that may the caller be refused.
func (r *Rotation) Revoke(ctx context.Context, reason string) error {
	return r.commit(ctx, endFamily, []any{r.Family.ID, reason}, &r.Family.ID)
}

const keepFamily = `select f.id::text from authd.token_families f where f.id = $1`

// Confirm commits without a change, so that what the family was found to be is durable. An
// end whose wait for the standby was cancelled can be seen although a fail-over would undo
// it; a COMMIT that follows, of a transaction with a row lock, waits for all before it.
func (r *Rotation) Confirm(ctx context.Context) error {
	return r.commit(ctx, keepFamily, []any{r.Family.ID}, &r.Family.ID)
}

// commit sends the one change and COMMIT in one round trip, whatever becomes of the request.
func (r *Rotation) commit(ctx context.Context, sql string, args []any, into ...any) error {
	ctx, cancel := writing(ctx)
	defer cancel()
	defer r.Rollback(ctx)
	failpoint.Hit("refresh.before_commit")
	var b pgx.Batch
	b.Queue(sql, args...).QueryRow(func(row pgx.Row) error { return row.Scan(into...) })
	err := r.send(ctx, &b, "rotate family", rotationFault)
	if err == nil {
		failpoint.Hit("refresh.after_commit")
	}
	return err
}

// send ends the batch with COMMIT.
func (r *Rotation) send(ctx context.Context, b *pgx.Batch, doing string, fault func(string, error) error) error {
	var tag pgconn.CommandTag
	b.Queue(`commit`).Exec(func(t pgconn.CommandTag) error { tag = t; return nil })
	if err := r.conn.SendBatch(ctx, b).Close(); err != nil {
		return fault(doing, err)
	}
	if tag.String() != "COMMIT" { // the server says ROLLBACK to a commit that it could not do
		return fmt.Errorf("%s: %w: commit was answered with rollback", doing, ErrUnavailable)
	}
	return durable(r.conn)
}

// lockFault is of a transaction whose COMMIT was not reached if the server reports an error.
func lockFault(doing string, err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == queryCanceled {
		return fmt.Errorf("%s: %w", doing, ErrLocked)
	}
	return rotationFault(doing, err)
}

func rotationFault(doing string, err error) error {
	pg, _ := errors.AsType[*pgconn.PgError](err)
	switch {
	case pg == nil:
	case pg.Code == lockNotAvailable:
		return fmt.Errorf("%s: %w", doing, ErrLocked)
	case pg.Code == serializationFailure, pg.Code == deadlockDetected:
		return fmt.Errorf("%s: %w", doing, ErrRolledBack)
	}
	return fault(doing, err)
}

// Rollback gives the lock up; after the end of the transaction it only gives the
// connection back.
func (r *Rotation) Rollback(ctx context.Context) {
	if r.conn == nil {
		return
	}
	if r.conn.Conn().PgConn().TxStatus() != 'I' && !r.conn.Conn().IsClosed() {
		ctx, cancel := writing(ctx)
		defer cancel()
		// A connection that cannot roll back is closed by the pool, which rolls back too.
		_, _ = r.conn.Exec(ctx, `rollback`)
	}
	r.conn.Release()
	r.conn = nil
}
