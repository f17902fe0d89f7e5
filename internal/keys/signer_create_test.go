package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// Whichever call fails or hangs, what exists stays, and nothing is left at the Signer.
func TestSignerFailsWhileAKeyIsMade(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "open", "public", "sign"} {
		for _, tt := range []struct {
			name  string
			fault func(*hooktest.Hang) hooktest.Fault
		}{
			{"fails", func(*hooktest.Hang) hooktest.Fault { return hooktest.Broken() }},
			{"hangs", func(h *hooktest.Hang) hooktest.Fault { return h.Deaf }},
			{"panics", func(*hooktest.Hang) hooktest.Fault {
				return func(context.Context, string, string) error { panic("nobody is there") }
			}},
		} {
			t.Run(op+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				w := newHSMWorld(t)
				hang := hooktest.NewHang()
				defer hang.Release()
				defer hang.Expire(&w.limits)()
				w.hsm.Fail(hooktest.Only(op, tt.fault(hang)))

				_, err := New(t.Context(), w.config())

				wantOutage(t, err, "signer: ")
				if len(w.named()) != 0 || len(w.hsm.Names()) != 0 {
					t.Errorf("left: rows %v, keys %v", w.named(), w.hsm.Names())
				}
				w.hsm.Fail(nil)
				r := mustNew(t, w.config())
				before := w.rows()
				w.hsm.Fail(hooktest.Only(op, tt.fault(hang)))
				_, err = r.Rotate(t.Context(), oauth.AccessRing, false)
				wantOutage(t, err, "signer: ")
				if diff := cmp.Diff(before, w.rows()); diff != "" {
					t.Error(diff)
				}
				w.hsm.Fail(nil)
				wantSigns(t, r)
				w.wantNoOrphans()
				w.advance(2 * time.Minute)
				mustPoll(t, r)
				mustRotate(t, r, oauth.AccessRing, false)
				wantSigns(t, r)
			})
		}
	}
}

// A key that comes after its maker has given up is destroyed: nobody knows its name.
func TestKeysThatComeTooLateAreDestroyed(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	hang, destroyed := hooktest.NewHang(), make(chan string, 1)
	defer hang.Release()
	w.hsm.Fail(func(ctx context.Context, op, name string) error {
		switch op {
		case "create":
			return hang.Deaf(ctx, op, name)
		case "destroy":
			destroyed <- name
		}
		return nil
	})
	stop := hang.Expire(&w.limits)
	_, err := r.Rotate(t.Context(), oauth.AccessRing, false)
	wantOutage(t, err, doCreate)
	stop()

	hang.Release()

	if name := <-destroyed; name != "key-5" {
		t.Errorf("%s was destroyed, want the fifth", name)
	}
	wantSigns(t, r)
}

// A KMS may bill each key that it makes, and keep it for a week.
func TestKeysThatCannotBeUsedAreNotMadeAllTheTime(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	w.advance(30*day + time.Minute)
	w.hsm.Fail(func(_ context.Context, op, name string) error {
		if op == "sign" && name > "key-4" {
			return hooktest.ErrBroken
		}
		return nil
	})
	if err := r.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		wantOutage(t, r.tend(t.Context()), "signer: ")
	}
	if got := w.hsm.Destroyed(); len(got) != 1 {
		t.Errorf("%v made and destroyed in five rounds, want one", got)
	}
	w.hsm.Fail(nil)
	w.advance(30*day + 3*time.Minute)
	mustPoll(t, r)
	if got := len(w.keys(oauth.AccessRing)); got != 3 {
		t.Errorf("%d keys after the Signer works, want 3: it was due", got)
	}
	w.wantNoOrphans()
}

// What CreateKey and OpenKey say of a new key is not believed.
func TestSignerLiesAboutANewKey(t *testing.T) {
	t.Parallel()
	other := testKey(60)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := func(k crypto.PublicKey) hooktest.Lies {
		return hooktest.Lies{Public: func(crypto.PublicKey) crypto.PublicKey { return k }}
	}
	opened := func(s crypto.Signer) hooktest.Lies {
		return hooktest.Lies{Opened: func(crypto.Signer) crypto.Signer { return s }}
	}
	for _, tt := range []struct {
		name string
		lies hooktest.Lies
		bits int // that are asked for; it makes 2048
		want string
	}{
		{"a name of 2049 bytes", hooktest.Lies{Name: strings.Repeat("x", maxSignerKey+1)}, 2048, "2049 bytes"},
		{"the name of a live key", hooktest.Lies{Name: "key-1"}, 2048, "exists already"},
		{"a name that it does not know", hooktest.Lies{Name: "key-99"}, 2048, "no key key-99"},
		{"2048 bits for 3072", hooktest.Lies{}, 3072, "2048 bits"},
		{"the public half of another key", public(&other.PublicKey), 2048, "the signature is wrong"},
		{"the public half of a curve", public(&curve.PublicKey), 2048, "no RSA key"},
		{"no public half", public(nil), 2048, "no RSA key"},
		{"a public half that is a nil pointer", public((*rsa.PublicKey)(nil)), 2048, "no RSA key"},
		{"an empty public half", public(&rsa.PublicKey{}), 2048, "no RSA key"},
		{"no signer", opened(nil), 2048, "no such key"},
		{"a signer that is a nil pointer", opened((*hooktest.Key)(nil)), 2048, "panic"},
		{"signatures of another key", hooktest.Lies{Signed: signatureOf(t, other)}, 2048, "the signature is wrong"},
		{"half a signature", hooktest.Lies{Signed: func(s []byte) []byte { return s[:len(s)/2] }}, 2048, "the signature is wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newHSMWorld(t)
			w.hsm = hooktest.NewHSM(func(int) (*rsa.PrivateKey, error) { return w.generateBits(2048) })
			r := mustNew(t, w.config())
			before := w.rows()
			r.cfg.Bits = tt.bits
			w.hsm.Lie(tt.lies)

			_, err := r.Rotate(t.Context(), oauth.AccessRing, false)

			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrKEK) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if diff := cmp.Diff(before, w.rows()); diff != "" {
				t.Error(diff)
			}
			w.hsm.Lie(hooktest.Lies{})
			wantSigns(t, r)
			w.wantNoOrphans()
		})
	}
}

// signatureOf answers with a signature of k of something else.
func signatureOf(t testing.TB, k *rsa.PrivateKey) func([]byte) []byte {
	t.Helper()
	sig, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return func([]byte) []byte { return sig }
}

// An adapter that always returns the same name would have each ring share a key, and that
// key destroyed by the first rotation that fails.
func TestSignerHasOneNameForAllKeys(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	if _, err := w.hsm.CreateKey(t.Context(), 2048); err != nil {
		t.Fatal(err)
	}
	w.hsm.Lie(hooktest.Lies{Name: "key-1"})

	_, err := New(t.Context(), w.config())

	if err == nil || errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("got %v, want that the name is taken", err)
	}
	if got := w.named(); len(got) != 0 {
		t.Errorf("rows have %v", got)
	}
}

// The late answer may also be a lie: a key that signs is never destroyed for it.
func TestALateNameOfALiveKeyDestroysNothing(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	hang := hooktest.NewHang()
	defer hang.Release()
	w.hsm.Fail(hooktest.Only("create", hang.Deaf))
	w.hsm.Lie(hooktest.Lies{Name: "key-1"})
	stop := hang.Expire(&w.limits)
	_, err := r.Rotate(t.Context(), oauth.AccessRing, false)
	wantOutage(t, err, doCreate)
	stop()

	hang.Release()

	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(w.log.String(), "could not be destroyed") && len(w.hsm.Destroyed()) == 0 {
		<-tick.C
	}
	w.wantNoOrphans()
	wantSigns(t, r)
}
