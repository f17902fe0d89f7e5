package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const (
	signOutSession = `delete from authd.sessions where sha256 = $1`
	// A statement of its own: it sees the family of an exchange that the first one waited for.
	// Locked in one order, so that two such calls do not wait for each other.
	signOutFamilies = `
with found as (
  select f.id from authd.token_families f
  where (f.session_id = nullif($1, '')::uuid or f.id = nullif($2, '')::uuid) and f.revoked_at is null
    and 'openid' = any (f.scope) and not 'offline_access' = any (f.scope)
  order by f.id
  for update
), ended as (
  update authd.token_families f set revoked_at = authd.clock(), revoked_reason = $3
  from found
  where f.id = found.id
  returning f.id, f.client_id, f.subject
)
select e.id::text as family_id, e.client_id, e.subject, true as owned, true as ended from ended e`
)

// SignOut ends a session of a browser and the families with openid, and without
// offline_access, that began in it or are family, and returns those that this call ended. It
// returns [ErrLocked] if somebody holds one.
func (d *DB) SignOut(ctx context.Context, sha256 []byte, sessionID, family, reason string) (ended []Revocation, err error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := writing(ctx)
	defer cancel()
	r := &Rotation{conn: conn}
	defer r.Rollback(ctx)
	var b pgx.Batch
	b.Queue(beginRotation)
	b.Queue(boundRotation)
	b.Queue(signOutSession, sha256)
	b.Queue(signOutFamilies, sessionID, family, reason).Query(func(rows pgx.Rows) (err error) {
		ended, err = pgx.CollectRows(rows, pgx.RowToStructByName[Revocation])
		return err
	})
	return ended, r.send(ctx, &b, "sign out", lockFault)
}
