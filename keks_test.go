package authd_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/keys/keystest"
)

// K-14: what is wrong with the keys is told before a server refuses to start.
func TestCheckKeyEncryptionKeys(t *testing.T) {
	t.Parallel()
	secret, err := authd.ParseSecret(keystest.KEK)
	if err != nil {
		t.Fatal(err)
	}
	given := []authd.KeyEncryptor{secret}

	found, err := authd.CheckKeyEncryptionKeys(t.Context(), authd.Config{DB: keystest.Pool(t), KeyEncryptionKeys: given})
	want := authd.KeyEncryptionKeyStatus{ID: secret.ID(), Given: true, Seals: true, Known: true, Keys: 4, State: authd.KEKOK}
	if err != nil || len(found) != 1 || found[0] != want {
		t.Errorf("got %+v, %v, want %+v", found, err, want)
	}
	found, err = authd.CheckKeyEncryptionKeys(t.Context(), authd.Config{DB: keystest.Pool(t)})
	if !errors.Is(err, authd.ErrKEK) || len(found) != 1 || found[0].State != authd.KEKMissing {
		t.Errorf("none given: got %+v, %v, want %s", found, err, authd.KEKMissing)
	}
	_, err = authd.CheckKeyEncryptionKeys(t.Context(), authd.Config{DB: dbtest.NewEmpty(t), KeyEncryptionKeys: given})
	if !errors.Is(err, authd.ErrSchemaVersion) {
		t.Errorf("no schema: got %v, want ErrSchemaVersion", err)
	}
	_, err = authd.CheckKeyEncryptionKeys(t.Context(), authd.Config{KeyEncryptionKeys: given})
	if err == nil || !strings.Contains(err.Error(), "Config.DB") {
		t.Errorf("no pool: got %v", err)
	}
}
