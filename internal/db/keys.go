package db

import (
	"context"
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
	PrivateJWE *string // nil once wiped, or with SignerKey
	SignerKey  *string // the name of the private half at a KMS or HSM
	SafeLead   time.Duration
	ReadAt     time.Time
}

const liveKeys = `
select ` + keyColumns + `, private_jwe, signer_key, safe_lead, c.read_at
from authd.signing_keys, (select authd.clock() as read_at) c
where revoked_at is null and (published_until is null or published_until > c.read_at)
order by ring, seq`

// LiveKeys reads the keys of both rings that sign or verify, oldest first: neither
// revoked nor expired.
func (d *DB) LiveKeys(ctx context.Context) ([]SealedKey, error) {
	return all[SealedKey](ctx, d, "read keys", liveKeys)
}

// NewKey is a key that no row has yet. It has a PrivateJWE or a SignerKey.
type NewKey struct {
	KID        string
	Alg        string
	PublicJWK  []byte
	PrivateJWE *string
	SignerKey  *string
}

const makeRing = `
with inserted as (
  insert into authd.signing_keys
    (kid, ring, seq, alg, public_jwk, private_jwe, signer_key, announced_at, rotate_after, signs_from, safe_lead)
  select k.kid, $1, k.seq, k.alg, k.public_jwk, k.private_jwe, k.signer_key, c.at, c.at + k.seq * $12::interval,
    case k.seq when 1 then c.at end, $13
  from (select authd.clock() as at) c,
    (values (1, $2, $3, $4::jsonb, $5, $6), (2, $7, $8, $9::jsonb, $10, $11)) as k (seq, kid, alg, public_jwk, private_jwe, signer_key)
  where not exists (select from authd.signing_keys where ring = $1)
  on conflict do nothing
  returning kid
)
select count(*) = 2 as made from inserted`

// MakeRing gives a ring without keys its first two: one that signs at once, one that is
// announced. It reports whether it did: a ring that has keys, or that another replica is
// making, is left as it is.
func (d *DB) MakeRing(ctx context.Context, ring oauth.Ring, signing, announced NewKey, period, safeLead time.Duration) (bool, error) {
	row, err := write[struct{ Made bool }](ctx, d, "make key ring", makeRing, ring,
		signing.KID, signing.Alg, signing.PublicJWK, signing.PrivateJWE, signing.SignerKey,
		announced.KID, announced.Alg, announced.PublicJWK, announced.PrivateJWE, announced.SignerKey, period, safeLead)
	return row.Made, err
}

const raiseSafeLead = `
with raised as (
  update authd.signing_keys set safe_lead = $1
  where signs_until is null and revoked_at is null and safe_lead < $1
  returning kid
)
select count(*) as raised from raised`

// RaiseSafeLead lets the open keys of both rings remember what a server promises verifiers.
func (d *DB) RaiseSafeLead(ctx context.Context, safeLead time.Duration) error {
	_, err := write[struct{ Raised int64 }](ctx, d, "raise the safe lead", raiseSafeLead, safeLead)
	return err
}

const wipeKeys = `
with wiped as (
  update authd.signing_keys set private_jwe = null
  where private_jwe is not null and signs_until + $1::interval <= authd.clock()
  returning kid
)
select coalesce(array_agg(kid order by kid), '{}') as kids from wiped`

// WipeKeys removes the private halves of keys that stopped signing longer than after ago,
// and names them. Those at a KMS or HSM are left: see [DB.DeadSignerKeys].
func (d *DB) WipeKeys(ctx context.Context, after time.Duration) ([]string, error) {
	row, err := write[struct{ KIDs []string }](ctx, d, "wipe private keys", wipeKeys, after)
	return row.KIDs, err
}

// SignerKey is a private half at a KMS or HSM.
type SignerKey struct{ KID, Name string }

const deadSignerKeys = `
select kid, signer_key as name from authd.signing_keys
where signer_key is not null and (revoked_at is not null or signs_until + $1::interval <= authd.clock())
order by ring, seq`

// DeadSignerKeys lists the private halves at a KMS or HSM which nothing needs: of revoked
// keys, and of those that stopped signing longer than after ago.
func (d *DB) DeadSignerKeys(ctx context.Context, after time.Duration) ([]SignerKey, error) {
	return all[SignerKey](ctx, d, "read dead keys", deadSignerKeys, after)
}

const forgetSignerKey = `
with forgotten as (
  update authd.signing_keys set signer_key = null where kid = $1 and signer_key = $2 returning kid
)
select exists (select from forgotten) as forgotten`

// ForgetSignerKey notes that a private half has been destroyed, and reports whether this
// call did.
func (d *DB) ForgetSignerKey(ctx context.Context, k SignerKey) (bool, error) {
	row, err := write[struct{ Forgotten bool }](ctx, d, "forget a destroyed key", forgetSignerKey, k.KID, k.Name)
	return row.Forgotten, err
}
