package db

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const claimAssertion = `
insert into authd.client_assertions (client_id, jti_sha256, exp)
select c.client_id, $4, $6 from authd.clients c
where c.client_id = $1 and c.jwks = $2 and c.jwks_uri = $3 and c.auth_method = 'private_key_jwt'
  and c.disabled_at is null and c.deleted_at is null and authd.clock() >= $5 and authd.clock() < $6
on conflict (client_id, jti_sha256) do nothing
returning true as claimed`

// ClaimAssertion takes the jti of a client's assertion (RFC 7523 §3), if it is after from
// and before until and the client's keys are registered as c says, and reports whether it
// did so: of two calls at once, on whatever servers, one does. Taken it stays until it is
// good for nothing any more.
func (d *DB) ClaimAssertion(ctx context.Context, c *oauth.Client, jti string, from, until time.Time) (bool, error) {
	sum := sha256.Sum256([]byte(jti)) // however long it is
	row, err := write[struct{ Claimed bool }](ctx, d, "claim assertion", claimAssertion, c.ID, c.JWKS, c.JWKSURI, sum[:], from, until)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return row.Claimed, err
}

const deleteAssertions = `
with dead as (
  delete from authd.client_assertions where ctid = any (array(
    select ctid from authd.client_assertions
    where exp >= $2 and exp < (select authd.clock() - ` + deadMargin + `)
    order by exp limit $1 for update skip locked))
  returning exp as since` + countDead

// DeleteExpiredAssertions deletes up to limit assertions that have expired, at from or
// later.
func (d *DB) DeleteExpiredAssertions(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete expired assertions", deleteAssertions, from, limit)
}
