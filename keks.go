package authd

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
)

// States of a [KeyEncryptionKeyStatus].
const (
	KEKOK          = keys.KEKOK
	KEKMissing     = keys.KEKMissing     // a signing key needs it, and it is not given
	KEKWrong       = keys.KEKWrong       // given, and does not fit the database
	KEKUnavailable = keys.KEKUnavailable // its KMS did not answer
	KEKUnused      = keys.KEKUnused      // nothing needs it: it may go
)

// KeyEncryptionKeyStatus is what [CheckKeyEncryptionKeys] found of one key-encryption key.
type KeyEncryptionKeyStatus struct {
	ID string
	// Given: it is one of Config.KeyEncryptionKeys. Seals: the first of them.
	Given, Seals bool
	// Known: a server has run with it on this database.
	Known bool
	// Keys counts the private signing keys under it, of keys that are neither revoked nor
	// expired.
	Keys  int
	State string
}

// CheckKeyEncryptionKeys compares the given key-encryption keys, which may be none, with the
// database: the given first, in their order, then those that only the database names. Of
// cfg it reads DB, KeyEncryptionKeys and Signer, and it changes nothing.
//
// The error says what keeps a server from running with them, and names the signing keys
// that cannot be opened; the list is whole all the same. It wraps [ErrKEK] where a
// key-encryption key is missing or wrong, and [ErrSchemaVersion] if [Migrate] has to run first.
func CheckKeyEncryptionKeys(ctx context.Context, cfg Config) ([]KeyEncryptionKeyStatus, error) {
	if cfg.DB == nil {
		return nil, errors.New("authd: Config.DB is missing")
	}
	cfg = cfg.withDefaults()
	if err := cfg.checkDatabase(ctx); err != nil {
		return nil, err
	}
	found, err := keys.InspectKEKs(ctx, cfg.keys(db.New(cfg.DB)))
	if err != nil {
		err = fmt.Errorf("authd: %w", err)
	}
	return convert(found, func(s keys.KEKStatus) KeyEncryptionKeyStatus { return KeyEncryptionKeyStatus(s) }), err
}
