package keys

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// kmsWorld is a world whose key-encryption key a KMS keeps.
type kmsWorld struct {
	*world
	kms    *hooktest.KMS
	limits hooktest.Limits
}

func newKMSWorld(t testing.TB) *kmsWorld {
	return &kmsWorld{world: newWorld(t), kms: hooktest.NewKMS("kms/signing")}
}

func (w *kmsWorld) config() Config { return w.hooked(&w.limits, RemoteKEK(w.kms)) }

func (w *kmsWorld) halves() []db.SealedHalf {
	w.t.Helper()
	halves, err := db.New(w.pool).SealedHalves(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return halves
}

func TestRingsUnderAKMS(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprintf("RSA-%d", bits), func(t *testing.T) {
			t.Parallel()
			w := newKMSWorld(t)
			var dataKeys [][]byte
			w.kms.Lie(func(op, _ string, out []byte) []byte { // no lie: it listens
				if op == "decrypt" {
					dataKeys = append(dataKeys, bytes.Clone(out))
				}
				return out
			})
			cfg := w.config()
			cfg.Bits = bits
			first := mustNew(t, cfg)
			token := mustSign(t, first, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")

			again := mustNew(t, cfg)

			if mustSign(t, again, oauth.AccessRing, "", oauth.TypeAccessToken, "{}") != token {
				t.Error("another key signs after a restart")
			}
			if c := mustVerify(t, again, oauth.AccessRing, oauth.TypeAccessToken, token); len(c.Signature) != bits/8 {
				t.Errorf("the signature has %d bytes, want %d", len(c.Signature), bits/8)
			}
			wantSigns(t, again)
			w.wantSealed(dataKeys, bits)
		})
	}
}

// wantSealed looks at what lies in the database (K-03).
func (w *kmsWorld) wantSealed(dataKeys [][]byte, bits int) {
	w.t.Helper()
	halves := w.halves()
	if len(halves) != 4 {
		w.t.Fatalf("%d private halves are sealed, want 4", len(halves))
	}
	for _, half := range halves {
		h, err := readSeal(half.PrivateJWE)
		if err != nil || h.KID != "kms/signing" || len(h.DataKey) == 0 {
			w.t.Errorf("protected header is %+v, %v, want the KMS's id and an encrypted data key", h, err)
		}
	}
	var secrets []string
	for _, key := range dataKeys {
		secrets = append(secrets, string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key),
			base64.RawURLEncoding.EncodeToString(key))
	}
	if bits == 2048 {
		for i := range int(w.made.Load()) {
			secrets = append(secrets, canaries(testKey(i))...)
		}
	}
	if len(dataKeys) < 5 {
		w.t.Errorf("%d data keys were used, want one for each key and one for the check", len(dataKeys))
	}
	for text := range strings.SplitSeq(w.dump()+w.log.String(), `"`) {
		if b, err := base64.RawURLEncoding.DecodeString(strings.Trim(text, `\`)); err == nil {
			text += string(b) // the protected header
		}
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				w.t.Errorf("a secret lies in the database: %.12q…", secret)
			}
		}
	}
}

func TestSealsUnderAKMSAreBoundToTheirRow(t *testing.T) {
	t.Parallel()
	const swap = `update authd.signing_keys a set private_jwe = b.private_jwe from authd.signing_keys b
		where a.ring = 'access' and b.ring = 'access' and a.kid <> b.kid`
	const forged = `update authd.signing_keys a set private_jwe = regexp_replace(b.private_jwe, '"aad":"[^"]*"',
		'"aad":"' || rtrim(translate(encode(convert_to('access ' || a.kid, 'UTF8'), 'base64'), E'+/\n', '-_'), '=') || '"')
		from authd.signing_keys b where a.ring = 'access' and b.ring = 'access' and a.kid <> b.kid`
	for _, tt := range []struct {
		name, damage string
		asked        int // decryptions by the two readings after it
	}{
		{"rows exchanged: the seal says so itself", swap, 0},
		{"rows exchanged, and the place in the seal: the KMS says so", forged, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newKMSWorld(t)
			mustNew(t, w.config())
			w.exec(tt.damage)
			r := mustNew(t, w.config())
			before := len(w.kms.Calls())

			mustPoll(t, r)
			mustPoll(t, r)

			wantRefuses(t, r)
			if got := len(w.kms.Calls()) - before; got != tt.asked {
				t.Errorf("the KMS was asked %d times, want %d", got, tt.asked)
			}
			if got := strings.Count(w.log.String(), "quarantined"); got != 2 {
				t.Errorf("%d log lines, want one for each key", got)
			}
		})
	}
}

// Whichever call fails, what exists stays and the next start has whole rings (K-14).
func TestKMSFailsAtEachCallOfAStart(t *testing.T) {
	t.Parallel()
	const making, all = 10, 14 // the check row and four keys, each sealed and opened; then four keys opened
	for n := 1; n <= all; n++ {
		t.Run(fmt.Sprintf("call %d", n), func(t *testing.T) {
			t.Parallel()
			w := newKMSWorld(t)
			w.kms.Fail(hooktest.BrokenAt(n))

			r, err := New(t.Context(), w.config())

			made := w.halves()
			if n <= making {
				wantOutage(t, err, "key encryptor kms/signing")
				r = mustNew(t, w.config())
			} else if err != nil {
				t.Fatal(err)
			} else {
				mustPoll(t, r)
			}
			wantSigns(t, r)
			after := w.halves()
			if len(after) != 4 || r.snapshot.Load().rings[oauth.RefreshRing].announced.private.isNone() {
				t.Errorf("%d private halves, want 4 that open", len(after))
			}
			for _, half := range made {
				if !strings.Contains(fmt.Sprint(after), half.KID) {
					t.Errorf("key %s was lost", half.KID)
				}
			}
			if got, want := len(w.kms.Calls()), all+n; n > making && got != all+1 || n <= making && got > want {
				t.Errorf("%d calls in all", got)
			}
		})
	}
}

func TestKMSFailsAtARestart(t *testing.T) {
	t.Parallel()
	w := newKMSWorld(t)
	mustNew(t, w.config())
	before := w.dump()
	w.kms.Fail(hooktest.Broken())

	_, err := New(t.Context(), w.config())

	wantOutage(t, err, "key encryptor kms/signing: decrypt: the cable is cut")
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		t.Error(diff)
	}
}

func TestKMSFailsAtARotation(t *testing.T) {
	t.Parallel()
	for n, what := range []string{1: "encrypt", 2: "decrypt, the round trip"} {
		if n == 0 {
			continue
		}
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newKMSWorld(t)
			r := mustNew(t, w.config())
			before := w.dump()
			w.kms.Fail(hooktest.BrokenAt(n))

			_, err := r.Rotate(t.Context(), oauth.AccessRing, false)

			wantOutage(t, err, "key encryptor kms/signing: "+strings.Split(what, ",")[0])
			if diff := cmp.Diff(before, w.dump()); diff != "" {
				t.Error(diff)
			}
			wantSigns(t, r)
			mustRotate(t, r, oauth.AccessRing, false)
		})
	}
}

// A server that runs needs no KMS for what it has opened, and opens the rest once it can.
func TestKMSIsAwayWhileAKeyIsAnnounced(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault func(*hooktest.Hang) hooktest.Fault
	}{
		{"it fails", func(*hooktest.Hang) hooktest.Fault { return hooktest.Broken() }},
		{"it hangs until the context ends", func(h *hooktest.Hang) hooktest.Fault { return h.Obedient }},
		{"it hangs whatever the context says", func(h *hooktest.Hang) hooktest.Fault { return h.Deaf }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newKMSWorld(t)
			hang := hooktest.NewHang()
			defer hang.Release()
			defer hang.Expire(&w.limits)()
			r, elsewhere := mustNew(t, w.config()), mustNew(t, w.config())
			out := mustRotate(t, elsewhere, oauth.AccessRing, false)
			w.kms.Fail(tt.fault(hang))

			for range 2 {
				before := r.snapshot.Load()
				mustPoll(t, r)
				if r.snapshot.Load() == before {
					t.Error("the snapshot is not younger")
				}
				wantSigns(t, r)
			}
			announced := r.snapshot.Load().rings[oauth.AccessRing].announced
			if announced.KID != out.Announced || !announced.private.isNone() {
				t.Errorf("announced key %s was opened without the KMS", announced.KID)
			}
			if got := strings.Count(w.log.String(), "quarantined"); got != 1 {
				t.Errorf("%d log lines in two readings, want 1", got)
			}
			if _, err := r.Rotate(t.Context(), oauth.AccessRing, true); !errors.Is(err, ErrNotReady) {
				t.Errorf("got %v, want no rotation to a key that is not open", err)
			}

			w.kms.Fail(nil)
			mustPoll(t, r)
			mustRotate(t, r, oauth.AccessRing, true)
			wantSigns(t, r)
		})
	}
}

func TestANewServerGivesUpAKMSThatHangs(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprintf("deaf %t, empty database %t", deaf, empty), func(t *testing.T) {
				t.Parallel()
				w := newKMSWorld(t)
				if !empty {
					mustNew(t, w.config())
				}
				before := len(w.keys(oauth.AccessRing))
				hang := hooktest.NewHang()
				defer hang.Release()
				defer hang.Expire(&w.limits)()
				w.kms.Fail(hang.Obedient)
				if deaf {
					w.kms.Fail(hang.Deaf)
				}

				_, err := New(t.Context(), w.config())

				wantOutage(t, err, "kms/signing")
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want that the time was over", err)
				}
				if after := len(w.keys(oauth.AccessRing)); after != before {
					t.Errorf("%d keys, before %d", after, before)
				}
			})
		}
	}
}

// The time of all is not used up by one.
func TestOneKeyHangsAtTheKMS(t *testing.T) {
	t.Parallel()
	w := newKMSWorld(t)
	mustRotate(t, mustNew(t, w.config()), oauth.AccessRing, false)
	retired := w.keys(oauth.AccessRing)[0] // the first to be opened
	hang := hooktest.NewHang()
	defer hang.Release()
	others := make(chan struct{}, 5)
	w.kms.Fail(func(ctx context.Context, op, aad string) error {
		if aad == place(oauth.AccessRing, retired.KID) {
			return hang.Deaf(ctx, op, aad)
		}
		return nil
	})
	w.kms.Lie(func(_, _ string, out []byte) []byte {
		others <- struct{}{}
		return out
	})
	go func() {
		<-hang.Entered
		for range cap(others) { // the check row and four keys
			<-others
		}
		w.limits.Expire()
	}()

	r := mustNew(t, w.config())

	wantSigns(t, r)
	if !r.snapshot.Load().find(oauth.AccessRing, retired.KID).private.isNone() {
		t.Error("the key that hangs was opened")
	}
}
