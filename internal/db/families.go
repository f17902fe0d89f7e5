package db

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

type familyRow struct {
	ID            string
	ClientID      string
	Subject       string
	Scope         []string
	Resource      string
	AuthTime      time.Time
	AMR           []string `db:"amr"`
	ACR           string   `db:"acr"`
	Generation    int64
	LeafJTI       string    `db:"leaf_jti"`
	LeafKID       string    `db:"leaf_kid"`
	LeafIAT       time.Time `db:"leaf_iat"`
	LeafExp       time.Time
	ParentJTI     *string `db:"parent_jti"`
	RotatedAt     *time.Time
	Replays       int
	AbsoluteExp   time.Time
	UserEpoch     int64
	ClientEpoch   int64
	CreatedAt     time.Time
	RevokedAt     *time.Time
	RevokedReason *string
	SessionID     string
}

func (r familyRow) family() oauth.Family {
	return oauth.Family{
		ID: r.ID, ClientID: r.ClientID, Subject: r.Subject, Scopes: r.Scope, Resource: r.Resource,
		AuthTime: r.AuthTime, AMR: r.AMR, ACR: r.ACR, Generation: r.Generation,
		LeafJTI: r.LeafJTI, LeafKID: r.LeafKID, LeafIAT: r.LeafIAT, LeafExp: r.LeafExp,
		ParentJTI: r.ParentJTI, RotatedAt: r.RotatedAt, Replays: r.Replays, AbsoluteExp: r.AbsoluteExp,
		UserEpoch: r.UserEpoch, ClientEpoch: r.ClientEpoch, CreatedAt: r.CreatedAt,
		RevokedAt: r.RevokedAt, RevokedReason: r.RevokedReason, SessionID: r.SessionID,
	}
}

const familyColumns = `
  f.id::text, f.client_id, f.subject, f.scope, f.resource, f.auth_time, f.amr, f.acr, f.generation, f.leaf_jti,
  f.leaf_kid, f.leaf_iat, f.leaf_exp, f.parent_jti, f.rotated_at, f.replays, f.absolute_exp, f.user_epoch,
  f.client_epoch, f.created_at, f.revoked_at, f.revoked_reason, coalesce(f.session_id::text, '') as session_id`

// NewFamily is what a sign-in leads to.
type NewFamily struct {
	ID, ClientID, Subject string
	Scopes                oauth.Scopes
	Resource              string
	AuthTime              time.Time
	AMR                   []string
	ACR                   string
	LeafJTI, LeafKID      string
	// LeafTTL is how long the leaf may lie unused, FamilyTTL how long the family lives;
	// whole seconds.
	LeafTTL, FamilyTTL     time.Duration
	UserEpoch, ClientEpoch int64
	// Device is where the sign-in came from; zero: not kept.
	Device oauth.Device
	// Account is the throttle's key of the sign-in that succeeded; nil for none.
	Account []byte
	// SessionID is that of the browser's session; "" for none.
	SessionID string
}

// A subject or client that was ended or disabled since the epochs were read gets no
// family. Seconds are whole, so that the leaf can be made again from the row, and none lies
// before an end: what was ended in this very second begins again in the next. The throttle
// forgets the account's failures with the grant, in the same commit.
const insertFamily = `
with forgiven as (
  delete from authd.login_attempts where account = $14
)
insert into authd.token_families as f (id, client_id, subject, scope, resource, auth_time, amr, acr, leaf_jti, leaf_kid,
  leaf_iat, leaf_exp, absolute_exp, user_epoch, client_epoch, first_address, first_user_agent, session_id)
select $1, $2, $3, $4, $5, date_trunc('second', $6::timestamptz), $7, $8, $9, $10,
  t.now, t.now + make_interval(secs => $11), t.now + make_interval(secs => $12), $13, c.epoch, $16, nullif($17, ''), nullif($18, '')::uuid
from authd.clients c, (
  select greatest(date_trunc('second', authd.clock()),
    (select s.ended_at from authd.subjects s where s.subject = $3), (select e.ended_at from authd.clients e where e.client_id = $2)) as now
) t
where c.client_id = $2 and c.epoch = $15 and c.disabled_at is null and c.deleted_at is null
  and not exists (select from authd.subjects s
    where s.subject = $3 and (s.epoch <> $13 or s.disabled_at is not null))
  and (exists (select from authd.subjects s where s.subject = $3) or $13 = 0)
returning` + familyColumns + `, authd.clock() as now`

// InsertFamily returns [ErrNotFound] if the subject or the client has been ended,
// disabled or deleted since its epoch was read. The leaf's first second may lie ahead of
// now, by less than one.
func (d *DB) InsertFamily(ctx context.Context, n NewFamily) (f oauth.Family, now time.Time, err error) {
	row, err := write[struct {
		familyRow
		Now time.Time
	}](ctx, d, "insert family", insertFamily, n.arguments()...)
	return row.family(), row.Now, err
}

func (n *NewFamily) arguments() []any {
	return []any{
		n.ID, n.ClientID, n.Subject, list(n.Scopes), n.Resource, n.AuthTime, list(n.AMR), n.ACR, n.LeafJTI, n.LeafKID,
		n.LeafTTL.Seconds(), n.FamilyTTL.Seconds(), n.UserEpoch, n.Account, n.ClientEpoch,
		address(n.Device), n.Device.UserAgent, n.SessionID,
	}
}

// Revocation reports what [DB.RevokeFamily] found and did.
type Revocation struct {
	FamilyID string
	ClientID string
	Subject  string
	Owned    bool // the family belongs to the client that asked
	Ended    bool // this call, not an earlier one, ended it
}

const revokeFamily = `
with found as (
  select f.id, f.client_id, f.subject, $2 in ('', f.client_id) as owned
  from authd.token_families f
  where f.id = $1
), ended as (
  update authd.token_families f set revoked_at = authd.clock(), revoked_reason = $3
  from found
  where f.id = found.id and found.owned and f.revoked_at is null
  returning f.id
)
select id::text as family_id, client_id, subject, owned, exists (select from ended) as ended from found`

// RevokeFamily ends the family, as of the database's clock, if it belongs to client; ""
// is the operator, to whom all belong. A family that has already ended keeps its first
// time and reason.
//
// Check and change are one statement: of any number of concurrent calls, exactly one
// reports Ended. It returns [ErrNotFound] if there is no such family, and [ErrLocked] if
// somebody holds it.
func (d *DB) RevokeFamily(ctx context.Context, id, client, reason string) (Revocation, error) {
	rev, err := writeLocked[Revocation](ctx, d, "revoke family", revokeFamily, id, client, reason)
	if err == nil && rev.Owned && !rev.Ended {
		err = d.confirm(ctx, "revoke family", confirmFamily, id)
	}
	return rev, err
}

const confirmFamily = `select f.id::text as id from authd.token_families f where f.id = $1 for update`

// confirm makes sure of what an earlier call has done before its success is told once more:
// an end whose wait for the standby was cancelled can be seen although a fail-over would
// undo it. sql locks the row, so that its commit is one, and waits for all before it.
func (d *DB) confirm(ctx context.Context, doing, sql, id string) error {
	_, err := writeLocked[struct{ ID string }](ctx, d, doing, sql, id)
	if errors.Is(err, ErrNotFound) { // deleted meanwhile
		return nil
	}
	return err
}
