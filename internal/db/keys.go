package db

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const keyColumns = `kid, ring, seq, alg, public_jwk, announced_at, rotate_after, signs_from, signs_until, published_until, revoked_at`

const listKeys = `select ` + keyColumns + ` from authd.signing_keys order by ring, seq`

// Keys lists the keys of both rings that ever were, oldest first.
func (d *DB) Keys(ctx context.Context) ([]oauth.Key, error) {
	return all[oauth.Key](ctx, d, "list keys", listKeys)
}

// SealedKey is a key with its private half as it lies in the database.
type SealedKey struct {
	oauth.Key
	PrivateJWE *string // nil once wiped
	ReadAt     time.Time
}

const liveKeys = `
select ` + keyColumns + `, private_jwe, c.read_at
from authd.signing_keys, (select authd.clock() as read_at) c
where revoked_at is null and (published_until is null or published_until > c.read_at)
order by ring, seq`

// LiveKeys reads the keys of both rings that sign or verify, oldest first: neither
// revoked nor expired.
func (d *DB) LiveKeys(ctx context.Context) ([]SealedKey, error) {
	return all[SealedKey](ctx, d, "read keys", liveKeys)
}

// NewKey is a key that no row has yet.
type NewKey struct {
	KID        string
	Alg        string
	PublicJWK  []byte
	PrivateJWE string
}

const makeRing = `
with inserted as (
  insert into authd.signing_keys
    (kid, ring, seq, alg, public_jwk, private_jwe, announced_at, rotate_after, signs_from)
  select k.kid, $1, k.seq, k.alg, k.public_jwk, k.private_jwe, c.at, c.at + k.seq * $10::interval,
    case k.seq when 1 then c.at end
  from (select authd.clock() as at) c,
    (values (1, $2, $3, $4::jsonb, $5), (2, $6, $7, $8::jsonb, $9)) as k (seq, kid, alg, public_jwk, private_jwe)
  where not exists (select from authd.signing_keys where ring = $1)
  on conflict do nothing
  returning kid
)
select count(*) = 2 as made from inserted`

// MakeRing gives a ring without keys its first two: one that signs at once, one that is
// announced. It reports whether it did: a ring that has keys, or that another replica is
// making, is left as it is.
func (d *DB) MakeRing(ctx context.Context, ring oauth.Ring, signing, announced NewKey, period time.Duration) (bool, error) {
	row, err := write[struct{ Made bool }](ctx, d, "make key ring", makeRing, ring,
		signing.KID, signing.Alg, signing.PublicJWK, signing.PrivateJWE,
		announced.KID, announced.Alg, announced.PublicJWK, announced.PrivateJWE, period)
	return row.Made, err
}

// RotationStep names the state of a ring from which a rotation starts, and what it writes.
type RotationStep struct {
	Ring               oauth.Ring
	Signing, Announced string // the kids that the caller saw
	Next               NewKey
	// SafeLead is how long Announced must have been announced; zero: not at all.
	SafeLead time.Duration
	// PublishedFor is how long the key that is closed stays published.
	PublishedFor time.Duration
	Period       time.Duration
}

// One statement, so that it needs no session (transaction-pooling proxies) and no lock
// beyond the row of the signing key: racers wait there, and find it closed. The key
// announced when the ring was made is old enough at once: no verifier holds a set
// without it.
const rotateKey = `
with closed as (
  update authd.signing_keys k set signs_until = c.at, published_until = c.at + $5::interval
  from (select authd.clock() as at) c
  where k.ring = $1 and k.kid = $2
    and k.signs_from is not null and k.signs_until is null and k.revoked_at is null
    and exists (
      select from authd.signing_keys a
      where a.ring = $1 and a.kid = $3 and a.signs_from is null and a.revoked_at is null
        and (a.announced_at <= c.at - $4::interval
          or not exists (select from authd.signing_keys e where e.ring = $1 and e.announced_at < a.announced_at)))
  returning c.at
), opened as (
  update authd.signing_keys k set signs_from = closed.at, rotate_after = closed.at + $6::interval
  from closed
  where k.ring = $1 and k.kid = $3 and k.signs_from is null and k.revoked_at is null
  returning k.seq, closed.at
), announced as (
  insert into authd.signing_keys (kid, ring, seq, alg, public_jwk, private_jwe, announced_at, rotate_after)
  select $7, $1, opened.seq + 1, $8, $9, $10, opened.at, opened.at + 2 * $6::interval
  from opened
  returning kid
)
select exists (select from announced) as stepped`

// RotateKey closes the signing key, opens the announced one and announces the next, or
// does nothing: of any number of callers that saw the same two keys, exactly one reports
// true. False says that one of the two is no longer what the caller saw, or that the
// announced key is younger than the safe lead.
func (d *DB) RotateKey(ctx context.Context, s RotationStep) (bool, error) {
	row, err := write[struct{ Stepped bool }](ctx, d, "rotate keys", rotateKey, s.Ring, s.Signing, s.Announced,
		s.SafeLead, s.PublishedFor, s.Period, s.Next.KID, s.Next.Alg, s.Next.PublicJWK, s.Next.PrivateJWE)
	if errors.Is(err, ErrExists) {
		return false, nil // a racer took the place in the sequence
	}
	return row.Stepped, err
}

const wipeKeys = `
with wiped as (
  update authd.signing_keys set private_jwe = null
  where private_jwe is not null and signs_until + $1::interval <= authd.clock()
  returning kid
)
select coalesce(array_agg(kid order by kid), '{}') as kids from wiped`

// WipeKeys removes the private halves of keys that stopped signing longer than after ago,
// and names them.
func (d *DB) WipeKeys(ctx context.Context, after time.Duration) ([]string, error) {
	row, err := write[struct{ KIDs []string }](ctx, d, "wipe private keys", wipeKeys, after)
	return row.KIDs, err
}

// KEKCheck is a known text, sealed under the key-encryption key that it names.
type KEKCheck struct {
	KEKID  string
	Sealed string
}

const kekChecks = `select kek_id, sealed from authd.kek_checks order by created_at, kek_id`

// KEKChecks lists one check for each key-encryption key that this database has known.
func (d *DB) KEKChecks(ctx context.Context) ([]KEKCheck, error) {
	return all[KEKCheck](ctx, d, "read the KEK checks", kekChecks)
}

const insertKEKCheck = `
with inserted as (
  insert into authd.kek_checks (kek_id, sealed) values ($1, $2) on conflict do nothing returning kek_id
)
select exists (select from inserted) as inserted`

// InsertKEKCheck keeps the check that is there, if there is one.
func (d *DB) InsertKEKCheck(ctx context.Context, c KEKCheck) error {
	_, err := write[struct{ Inserted bool }](ctx, d, "store the KEK check", insertKEKCheck, c.KEKID, c.Sealed)
	return err
}
