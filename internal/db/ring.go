package db

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// RotationStep names the state of a ring from which a rotation starts, and what it writes.
type RotationStep struct {
	Ring               oauth.Ring
	Signing, Announced string // the kids that the caller saw
	Next               NewKey
	// Due steps only when the plan on the row says so.
	Due bool
	// Force steps however young the announced key is.
	Force bool
	// Revoke withdraws the key that is closed, and wipes its private half.
	Revoke bool
	// SafeLead is how long Announced must have been announced. A longer one on the row of
	// either key wins.
	SafeLead time.Duration
	// PublishedFor is how long the key that is closed stays published.
	PublishedFor time.Duration
	Period       time.Duration
}

// One statement, so that it needs no session (transaction-pooling proxies) and no lock
// beyond the rows of the two keys: racers wait there, and find the state changed. Both rows
// are locked before either is changed, always the signing key's first: what a wait has
// changed of the one would otherwise not be seen in the condition on the other, and a key
// be closed whose successor has been revoked meanwhile.
//
// The key announced when the ring was made is old enough at once: no verifier holds a set
// without it. A forced step does not wait until the old promises to verifiers are over: the
// next key takes them over.
const rotateKey = `
with signing as materialized (
  select k.kid, k.safe_lead, c.at
  from authd.signing_keys k, (select authd.clock() as at) c
  where k.ring = $1 and k.kid = $2
    and k.signs_from is not null and k.signs_until is null and k.revoked_at is null
    and (not $12 or k.rotate_after <= c.at)
  for update of k
), ready as materialized (
  select a.kid, a.seq, s.at, greatest(a.safe_lead, s.safe_lead) as promised
  from authd.signing_keys a, signing s
  where a.ring = $1 and a.kid = $3 and a.signs_from is null and a.revoked_at is null
    and ($13 or a.announced_at <= s.at - greatest($4::interval, a.safe_lead, s.safe_lead)
      or not exists (select from authd.signing_keys e where e.ring = $1 and e.announced_at < a.announced_at))
  for update of a
), closed as (
  update authd.signing_keys k set signs_until = ready.at, published_until = ready.at + $5::interval,
    revoked_at = case when $14 then ready.at end, private_jwe = case when $14 then null else k.private_jwe end
  from signing, ready
  where k.kid = signing.kid
  returning k.kid
), opened as (
  update authd.signing_keys k set signs_from = ready.at, rotate_after = ready.at + $6::interval
  from ready, closed
  where k.kid = ready.kid
  returning ready.seq, ready.at, ready.promised
), announced as (
  insert into authd.signing_keys
    (kid, ring, seq, alg, public_jwk, private_jwe, signer_key, announced_at, rotate_after, safe_lead)
  select $7, $1, opened.seq + 1, $8, $9, $10, $11, opened.at, opened.at + 2 * $6::interval,
    case when $13 then greatest($4::interval, opened.promised) else $4 end
  from opened
  returning kid
)
select exists (select from announced) as stepped`

// RotateKey closes the signing key, opens the announced one and announces the next, or
// does nothing: of any number of callers that saw the same two keys, exactly one reports
// true. False says that one of the two is no longer what the caller saw, that the
// announced key is younger than the safe lead, or with Due that the time has not come.
func (d *DB) RotateKey(ctx context.Context, s RotationStep) (bool, error) {
	row, err := write[struct{ Stepped bool }](ctx, d, "rotate keys", rotateKey, s.Ring, s.Signing, s.Announced,
		s.SafeLead, s.PublishedFor, s.Period,
		s.Next.KID, s.Next.Alg, s.Next.PublicJWK, s.Next.PrivateJWE, s.Next.SignerKey, s.Due, s.Force, s.Revoke)
	if errors.Is(err, ErrExists) {
		return false, nil // a racer took the place in the sequence
	}
	return row.Stepped, err
}

// Announcement gives a ring another announced key.
type Announcement struct {
	Ring oauth.Ring
	// Withdraw is the kid of the announced key that is revoked and replaced; "" where there
	// is none to replace.
	Withdraw string
	Next     NewKey
	// Lead is what the plan of the signing key leaves the new one at least.
	Lead, SafeLead, Period time.Duration
}

// The row of the signing key is locked first, as a rotation does: otherwise the two could
// wait for each other.
const announceKey = `
with signing as materialized (
  select kid from authd.signing_keys
  where ring = $1 and signs_from is not null and signs_until is null and revoked_at is null
  for update
), withdrawn as (
  update authd.signing_keys k set revoked_at = authd.clock(), private_jwe = null
  where k.ring = $1 and k.kid = $2 and k.signs_from is null and k.revoked_at is null
    and (select count(*) from signing) >= 0
  returning k.safe_lead
), announced as (
  insert into authd.signing_keys
    (kid, ring, seq, alg, public_jwk, private_jwe, signer_key, announced_at, rotate_after, safe_lead)
  select $3, $1, (select max(seq) + 1 from authd.signing_keys where ring = $1), $4, $5, $6, $7, c.at, c.at + $8::interval + $9::interval,
    greatest($10::interval, (select safe_lead from withdrawn))
  from (select authd.clock() as at) c
  where exists (select from withdrawn) or $2 = '' and not exists (
    select from authd.signing_keys where ring = $1 and signs_from is null and revoked_at is null)
  returning announced_at
), postponed as (
  update authd.signing_keys k set rotate_after = greatest(k.rotate_after, announced.announced_at + $8::interval)
  from announced, signing
  where k.kid = signing.kid
  returning k.kid
)
select exists (select from announced) as announced`

// AnnounceKey reports whether it did: false says that the key to withdraw is no longer
// announced, or that the ring has an announced key.
func (d *DB) AnnounceKey(ctx context.Context, a Announcement) (bool, error) {
	n := a.Next
	row, err := write[struct{ Announced bool }](ctx, d, "announce a key", announceKey, a.Ring, a.Withdraw,
		n.KID, n.Alg, n.PublicJWK, n.PrivateJWE, n.SignerKey, a.Lead, a.Period, a.SafeLead)
	if errors.Is(err, ErrExists) {
		return false, nil // a racer took the place in the sequence
	}
	return row.Announced, err
}

const revokeRetiredKey = `
with revoked as (
  update authd.signing_keys set revoked_at = authd.clock(), private_jwe = null
  where kid = $1 and signs_until is not null and revoked_at is null
  returning kid
)
select exists (select from revoked) as revoked`

// RevokeRetiredKey withdraws a key that has stopped signing, and reports whether this call
// did.
func (d *DB) RevokeRetiredKey(ctx context.Context, kid string) (bool, error) {
	row, err := write[struct{ Revoked bool }](ctx, d, "revoke a key", revokeRetiredKey, kid)
	return row.Revoked, err
}

const confirmKey = `select k.kid as id from authd.signing_keys k where k.kid = $1 for update`

// ConfirmKey makes sure that what the key was found to be is durable.
func (d *DB) ConfirmKey(ctx context.Context, kid string) error {
	return d.confirm(ctx, "revoke a key", confirmKey, kid)
}

const familiesSignedBy = `
select count(*) as families from authd.token_families
where leaf_kid = $1 and revoked_at is null and leaf_exp > authd.clock()`

// FamiliesSignedBy counts the living families whose refresh token a key has signed. It
// reads them all.
func (d *DB) FamiliesSignedBy(ctx context.Context, kid string) (int64, error) {
	row, err := one[struct{ Families int64 }](ctx, d, "count families", familiesSignedBy, kid)
	return row.Families, err
}
