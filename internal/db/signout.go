package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const (
	signOutSession = `delete from authd.sessions where sha256 = $1` + endedSession
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

// SignedOut is what a call of [DB.SignOut] ended.
type SignedOut struct {
	Sessions []EndedSession // one, or none
	Families []Revocation
}

// SignOut ends a session of a browser and the families with openid, and without
// offline_access, that began in it or are family, and returns what this call ended. It
// returns [ErrLocked] if somebody holds a family.
func (d *DB) SignOut(ctx context.Context, sha256 []byte, sessionID, family, reason string) (ended SignedOut, err error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return ended, err
	}
	ctx, cancel := writing(ctx)
	defer cancel()
	r := &Rotation{conn: conn}
	defer r.Rollback(ctx)
	var b pgx.Batch
	b.Queue(beginRotation)
	b.Queue(boundRotation)
	queue(&b, func(r EndedSession) { ended.Sessions = append(ended.Sessions, r) }, signOutSession, sha256)
	queue(&b, func(r Revocation) { ended.Families = append(ended.Families, r) }, signOutFamilies, sessionID, family, reason)
	err = r.send(ctx, &b, "sign out", lockFault)
	return ended, err
}
