package db

import (
	"context"

	"github.com/go-authd/authd/internal/oauth"
)

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

// SealedHalf is a private half at rest.
type SealedHalf struct {
	KID        string
	Ring       oauth.Ring
	PrivateJWE string
}

const sealedHalves = `
select kid, ring, private_jwe from authd.signing_keys where private_jwe is not null order by ring, seq`

// SealedHalves lists every private half at rest, of keys in any state.
func (d *DB) SealedHalves(ctx context.Context) ([]SealedHalf, error) {
	return all[SealedHalf](ctx, d, "read private keys", sealedHalves)
}

const rewrapKey = `
with rewrapped as (
  update authd.signing_keys set private_jwe = $3 where kid = $1 and private_jwe = $2 returning kid
)
select exists (select from rewrapped) as rewrapped`

// RewrapKey replaces the seal of a private half by another. It does nothing, and says so,
// where the seal is no longer the one that the caller read.
func (d *DB) RewrapKey(ctx context.Context, old SealedHalf, sealed string) (bool, error) {
	row, err := write[struct{ Rewrapped bool }](ctx, d, "rewrap a private key", rewrapKey, old.KID, old.PrivateJWE, sealed)
	return row.Rewrapped, err
}
