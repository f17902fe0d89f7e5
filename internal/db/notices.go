package db

import (
	"context"
	"time"
)

// LogoutNotice is what a client has to be told: that the session has ended in which it got ID
// tokens with the sid FamilyID.
type LogoutNotice struct {
	ID                          int64
	ClientID, Subject, FamilyID string
	// URI is where; "" if the client wants to hear nothing any more.
	URI string `db:"uri"`
	// Attempts counts this one, too.
	Attempts       int
	ExpiresAt, Now time.Time
}

// A client is told of the end of a session if it was registered so when it got its ID token.
const joinSession = `
insert into authd.session_clients (session_id, family_id, client_id, subject)
select f.session_id, f.id, f.client_id, f.subject from authd.token_families f where f.id = $1`

// From client to client by the index, however many notices one of them has.
const clientsWithNotices = `
with recursive c as (
  (select n.client_id from authd.logout_notices n order by n.client_id limit 1)
  union all
  select (select n.client_id from authd.logout_notices n where n.client_id > c.client_id order by n.client_id limit 1)
  from c where c.client_id is not null
)
select c.client_id from c
where exists (select from authd.logout_notices n where n.client_id = c.client_id and n.next_at <= (select authd.clock()))`

// ClientsWithNotices are those that have to be told something now.
func (d *DB) ClientsWithNotices(ctx context.Context) ([]string, error) {
	rows, err := all[clientID](ctx, d, "look for logout notices", clientsWithNotices)
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ClientID
	}
	return ids, err
}

// noticeLease is how long a notice belongs to whoever has claimed it: longer than an attempt
// takes, so that no two are made at once.
const noticeLease = `interval '30 seconds'`

const claimNotice = `
with due as (
  select n.id from authd.logout_notices n
  where n.client_id = $1 and n.next_at <= (select authd.clock())
  order by n.next_at limit 1
  for update skip locked
)
update authd.logout_notices n set attempts = n.attempts + 1, next_at = authd.clock() + ` + noticeLease + `
from due
where n.id = due.id
returning n.id, n.client_id, n.subject, n.family_id::text, n.attempts, n.expires_at, authd.clock() as now,
  coalesce((select c.backchannel_logout_uri from authd.clients c where c.client_id = n.client_id and c.deleted_at is null), '') as uri`

// ClaimNotice takes one notice of the client that is due. For 30 s nobody else gets it, and
// then anybody: what whoever claimed it has not said to be done is done again. It returns
// [ErrNotFound] if none is due.
func (d *DB) ClaimNotice(ctx context.Context, client string) (LogoutNotice, error) {
	return write[LogoutNotice](ctx, d, "claim logout notice", claimNotice, client)
}

const removeNotice = `delete from authd.logout_notices where id = $1 and attempts = $2 returning client_id`

// RemoveNotice returns [ErrNotFound] if somebody else has claimed it meanwhile.
func (d *DB) RemoveNotice(ctx context.Context, n LogoutNotice) error {
	_, err := write[clientID](ctx, d, "remove logout notice", removeNotice, n.ID, n.Attempts)
	return err
}

const postponeNotice = `
update authd.logout_notices set next_at = authd.clock() + make_interval(secs => $3) where id = $1 and attempts = $2
returning client_id`

// PostponeNotice returns [ErrNotFound] if somebody else has claimed it meanwhile.
func (d *DB) PostponeNotice(ctx context.Context, n LogoutNotice, wait time.Duration) error {
	_, err := write[clientID](ctx, d, "postpone logout notice", postponeNotice, n.ID, n.Attempts, wait.Seconds())
	return err
}
