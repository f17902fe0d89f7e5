package db

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

const claimAssertion = `
insert into authd.client_assertions (client_id, jti_sha256, exp) values ($1, $2, $3)
on conflict (client_id, jti_sha256) do nothing
returning true as claimed`

// ClaimAssertion takes the jti of a client's assertion (RFC 7523 §3) and reports whether
// this call did so: of two at once, on whatever servers, one does. It stays taken until
// exp, when the assertion is good for nothing any more.
func (d *DB) ClaimAssertion(ctx context.Context, client, jti string, exp time.Time) (bool, error) {
	sum := sha256.Sum256([]byte(jti)) // however long it is
	row, err := write[struct{ Claimed bool }](ctx, d, "claim assertion", claimAssertion, client, sum[:], exp)
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
