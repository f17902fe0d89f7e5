package keys

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// What could not be opened again is not written.
func TestKMSEncryptsWrongly(t *testing.T) {
	t.Parallel()
	var dataKey []byte
	for _, tt := range []struct {
		name string
		kms  func(*hooktest.KMS) Encryptor
	}{
		{"garbage", lying("encrypt", func([]byte) []byte { return []byte("garbage garbage garbage garbage") })},
		{"nothing", lying("encrypt", func([]byte) []byte { return nil })},
		{"another data key's", lying("encrypt", func(out []byte) []byte {
			if dataKey == nil {
				dataKey = bytes.Clone(out)
				return out[:len(out)-1]
			}
			return dataKey
		})},
		{"a bit flipped", lying("encrypt", func(out []byte) []byte { out[20] ^= 1; return out })},
		{"what was to be encrypted", func(k *hooktest.KMS) Encryptor { return noCipher{k} }},
	} {
		w := newKMSWorld(t)
		cfg := w.config()
		cfg.KEKs = []KEK{RemoteKEK(tt.kms(w.kms))}
		if _, err := New(t.Context(), cfg); err == nil || errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), "kms/signing") {
			t.Errorf("%s: start: %v, want an error of the KMS", tt.name, err)
		}
		if got := w.count(`select count(*) from authd.kek_checks`); got != 0 || len(w.halves()) != 0 {
			t.Errorf("%s: the database has %d checks and %d keys, want none", tt.name, got, len(w.halves()))
		}
		w.kms.Lie(nil)
		r := mustNew(t, w.config())
		before := w.dump()
		r.cfg.KEKs = []KEK{RemoteKEK(tt.kms(w.kms))}
		if _, err := r.Rotate(t.Context(), oauth.AccessRing, false); err == nil || !strings.Contains(err.Error(), "kms/signing") {
			t.Errorf("%s: rotation: %v, want an error of the KMS", tt.name, err)
		}
		if diff := cmp.Diff(before, w.dump()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func lying(op string, lie func([]byte) []byte) func(*hooktest.KMS) Encryptor {
	return func(k *hooktest.KMS) Encryptor {
		k.Lie(func(called, _ string, out []byte) []byte {
			if called != op {
				return out
			}
			return lie(out)
		})
		return k
	}
}

// noCipher encrypts to the plaintext, which decrypts well.
type noCipher struct{ *hooktest.KMS }

func (noCipher) Encrypt(_ context.Context, plaintext, _ []byte) ([]byte, error) {
	return plaintext, nil
}

func (noCipher) Decrypt(_ context.Context, ciphertext, _ []byte) ([]byte, error) {
	return ciphertext, nil
}

func (w *world) count(sql string) (n int) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.t.Context(), sql).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A key whose data key is wrong never signs, and is tried again.
func TestKMSDecryptsWrongly(t *testing.T) {
	t.Parallel()
	var other []byte
	for _, tt := range []struct {
		name        string
		quarantined int // keys of 4
		lie         func([]byte) []byte
	}{
		{"other bytes", 4, func(out []byte) []byte { out[0] ^= 1; return out }},
		{"too short", 4, func(out []byte) []byte { return out[:16] }},
		{"too long", 4, func(out []byte) []byte { return append(out, 0) }},
		{"nothing", 4, func([]byte) []byte { return nil }},
		{"always that of the last key", 3, func([]byte) []byte { return other }},
	} {
		w := newKMSWorld(t)
		running := mustNew(t, w.config())
		other = bytes.Clone(w.dataKey())
		w.kms.Lie(func(op, aad string, out []byte) []byte {
			if op == "decrypt" && aad != checkPlace {
				return tt.lie(out)
			}
			return out
		})
		before := w.dump()
		r := mustNew(t, w.config())
		mustPoll(t, r)

		wantRefuses(t, r)
		wantSigns(t, running)
		if got := strings.Count(w.log.String(), "quarantined"); got != tt.quarantined {
			t.Errorf("%s: %d log lines in two readings, want %d", tt.name, got, tt.quarantined)
		}
		w.kms.Lie(nil)
		mustPoll(t, r)
		wantSigns(t, r)
		if diff := cmp.Diff(before, w.dump()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// dataKey is that of the last key, as the KMS knows it.
func (w *kmsWorld) dataKey() []byte {
	w.t.Helper()
	half := w.halves()[3]
	h, err := readSeal(half.PrivateJWE)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := w.kms.Decrypt(w.t.Context(), h.DataKey, []byte(place(half.Ring, half.KID)))
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// Another key under the id of the one that the database knows is no outage (K-14).
func TestKMSDecryptsTheCheckRowWrongly(t *testing.T) {
	t.Parallel()
	w := newKMSWorld(t)
	mustNew(t, w.config())
	before := w.dump()
	w.kms.Lie(func(_, _ string, out []byte) []byte { out[0] ^= 1; return out })

	_, err := New(t.Context(), w.config())

	if !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), "kms/signing") {
		t.Errorf("got %v, want ErrKEK with the id", err)
	}
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		t.Error(diff)
	}
}
