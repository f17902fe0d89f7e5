package keys

import (
	"context"
	"crypto"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// No wrong token ever leaves, and all is well again by itself.
func TestSignerThatDoesNotSign(t *testing.T) {
	t.Parallel()
	other := testKey(62)
	for _, tt := range []struct {
		name  string
		fault func(*hooktest.Hang) hooktest.Fault
		lies  hooktest.Lies
		want  string
	}{
		{"it fails", func(*hooktest.Hang) hooktest.Fault { return hooktest.Broken("sign") }, hooktest.Lies{}, "the cable is cut"},
		{"it hangs", func(h *hooktest.Hang) hooktest.Fault { return hooktest.Only("sign", h.Deaf) }, hooktest.Lies{}, "no answer"},
		{"it panics", func(*hooktest.Hang) hooktest.Fault {
			return hooktest.Only("sign", func(context.Context, string, string) error { panic("nobody is there") })
		}, hooktest.Lies{}, "panic: nobody is there"},
		{"a signature of another key", nil, hooktest.Lies{Signed: signatureOf(t, other)}, "the signature is wrong"},
		{"a bit flipped", nil, hooktest.Lies{Signed: func(s []byte) []byte { s[9] ^= 1; return s }}, "the signature is wrong"},
		{"cut off", nil, hooktest.Lies{Signed: func(s []byte) []byte { return s[:255] }}, "the signature is wrong"},
		{"empty", nil, hooktest.Lies{Signed: func([]byte) []byte { return nil }}, "the signature is wrong"},
	} {
		for _, healed := range []string{"a signature", "the server's own attempt"} {
			t.Run(tt.name+", healed by "+healed, func(t *testing.T) {
				t.Parallel()
				w := newHSMWorld(t)
				r := mustNew(t, w.config())
				hang := hooktest.NewHang()
				defer hang.Release()
				defer hang.Expire(&w.limits)()
				if tt.fault != nil {
					w.hsm.Fail(tt.fault(hang))
				}
				w.hsm.Lie(tt.lies)

				token, err := r.Sign(t.Context(), oauth.AccessRing, "", "t+jwt", []byte("{}"))
				if token != "" || !errors.Is(err, oauth.Unavailable) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("signed %q, %v, want %q", token, err, tt.want)
				}
				wantRefuses(t, r)
				mustPoll(t, r)
				if err := r.mend(t.Context()); err == nil {
					t.Error("the server found that it signs")
				}
				wantRefuses(t, r)
				if log := w.log.String(); !strings.Contains(log, "signer does not sign") || !strings.Contains(log, tt.want) {
					t.Errorf("the log does not say %q: %s", tt.want, log)
				}

				w.hsm.Fail(nil)
				w.hsm.Lie(hooktest.Lies{})
				if healed == "a signature" {
					mustSign(t, r, oauth.AccessRing, "", "t+jwt", "{}")
				} else if err := r.mend(t.Context()); err != nil {
					t.Error(err)
				}
				wantSigns(t, r)
			})
		}
	}
}

// What OpenKey returned once may be dead for ever: after a restart of the HSM, say.
func TestEndedSessionsAreOpenedAgain(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	kid, err := r.Signing(oauth.RefreshRing)
	if err != nil {
		t.Fatal(err)
	}
	first := mustSign(t, r, oauth.RefreshRing, kid, "t+jwt", "{}")
	mustRotate(t, r, oauth.RefreshRing, false)
	w.hsm.Disconnect()
	for _, ring := range allRings {
		if _, err := r.Sign(t.Context(), ring, "", "t+jwt", []byte("{}")); !errors.Is(err, oauth.Unavailable) {
			t.Errorf("got %v, want a refusal", err)
		}
	}
	if _, err := r.Sign(t.Context(), oauth.RefreshRing, kid, "t+jwt", []byte("{}")); err == nil {
		t.Error("the retired key signed")
	}
	wantRefuses(t, r)

	if err := r.mend(t.Context()); err != nil {
		t.Error(err)
	}

	wantSigns(t, r)
	if again := mustSign(t, r, oauth.RefreshRing, kid, "t+jwt", "{}"); again != first {
		t.Error("the grace retry by the retired key got other bytes")
	}
}

// A fault of a key that signs no new tokens does not make the server not ready.
func TestFaultOfARetiredKey(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	out := mustRotate(t, r, oauth.RefreshRing, false)
	retired := w.named()[2]
	w.hsm.Fail(hooktest.Only("sign", func(_ context.Context, _, name string) error {
		if name == retired {
			return hooktest.ErrBroken
		}
		return nil
	}))
	if _, err := r.Sign(t.Context(), oauth.RefreshRing, out.Previous, "t+jwt", []byte("{}")); !errors.Is(err, oauth.Unavailable) {
		t.Errorf("got %v, want a refusal", err)
	}
	wantSigns(t, r)
}

// A client that goes away while the Signer takes its time is no fault of the Signer.
func TestClientGoesAwayWhileTheSignerSigns(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	hang := hooktest.NewHang()
	defer hang.Release()
	w.hsm.Fail(hooktest.Only("sign", hang.Deaf))
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-hang.Entered; leave() }()

	token, err := r.Sign(ctx, oauth.AccessRing, "", "t+jwt", []byte("{}"))

	if token != "" || !errors.Is(err, oauth.Unavailable) {
		t.Errorf("signed %q, %v", token, err)
	}
	if err := r.Ready(); err != nil {
		t.Error(err)
	}
}

// 64 signatures that hang keep their slots until they return, and no longer.
func TestSignaturesThatHang(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r := mustNew(t, w.config())
	hang := hooktest.NewHang()
	defer hang.Release()
	w.hsm.Fail(hooktest.Only("sign", hang.Deaf))
	var wg sync.WaitGroup
	for range maxRemote {
		wg.Go(func() {
			if _, err := r.Sign(t.Context(), oauth.AccessRing, "", "t+jwt", []byte("{}")); !errors.Is(err, db.ErrUnavailable) {
				t.Errorf("got %v, want an outage", err)
			}
		})
	}
	for range maxRemote {
		<-hang.Entered
	}
	w.limits.Expire()
	wg.Wait()

	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Sign(over, oauth.AccessRing, "", "t+jwt", []byte("{}")); !errors.Is(err, oauth.Busy) {
		t.Errorf("got %v, want Busy: no slot is free", err)
	}
	r.remoteGate.average.Store(int64(hookTimeout)) // what 64 real limits would have taught it
	if err := r.Admit(t.Context()); !errors.Is(err, oauth.Busy) {
		t.Errorf("admitted: %v, want Busy before anything is written", err)
	}

	hang.Release()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.remoteGate.inside.Load() > 0 {
		<-tick.C
	}
	if err := r.Admit(t.Context()); err != nil {
		t.Error(err)
	}
	mustSign(t, r, oauth.AccessRing, "", "t+jwt", "{}")
	if err := r.mend(t.Context()); err != nil {
		t.Error(err)
	}
	wantSigns(t, r)
}

// At a start, and when another server has announced a key.
func TestSignerDoesNotOpenAKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault func(*hooktest.Hang) hooktest.Fault
		lies  hooktest.Lies
	}{
		{"it fails", func(*hooktest.Hang) hooktest.Fault { return hooktest.Broken("open") }, hooktest.Lies{}},
		{"it hangs", func(h *hooktest.Hang) hooktest.Fault { return hooktest.Only("open", h.Deaf) }, hooktest.Lies{}},
		{"it hangs until the context ends", func(h *hooktest.Hang) hooktest.Fault { return hooktest.Only("open", h.Obedient) }, hooktest.Lies{}},
		{"the public half hangs", func(h *hooktest.Hang) hooktest.Fault { return hooktest.Only("public", h.Deaf) }, hooktest.Lies{}},
		{"no signer", nil, hooktest.Lies{Opened: func(crypto.Signer) crypto.Signer { return nil }}},
		{"a signer that is a nil pointer", nil, hooktest.Lies{Opened: func(crypto.Signer) crypto.Signer { return (*hooktest.Key)(nil) }}},
		{"another key", nil, hooktest.Lies{Opened: func(crypto.Signer) crypto.Signer { return testKey(63) }}},
		{"the signature is wrong", nil, hooktest.Lies{Signed: func(s []byte) []byte { return s[1:] }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newHSMWorld(t)
			running, elsewhere := mustNew(t, w.config()), mustNew(t, w.config())
			out := mustRotate(t, elsewhere, oauth.AccessRing, false)
			hang := hooktest.NewHang()
			defer hang.Release()
			stop := hang.Expire(&w.limits)
			if tt.fault != nil {
				w.hsm.Fail(tt.fault(hang))
			}
			w.hsm.Lie(tt.lies)

			started := mustNew(t, w.config())
			for range 2 {
				before := running.snapshot.Load()
				mustPoll(t, running)
				if running.snapshot.Load() == before {
					t.Error("the snapshot is not younger")
				}
			}

			wantRefuses(t, started)
			if k := running.snapshot.Load().find(oauth.AccessRing, out.Announced); !k.private.isNone() {
				t.Error("the announced key was opened")
			}
			stop()
			w.hsm.Lie(hooktest.Lies{})
			w.hsm.Fail(nil)
			for _, r := range []*Rings{running, started} {
				mustPoll(t, r)
				wantSigns(t, r)
				if k := r.snapshot.Load().find(oauth.AccessRing, out.Announced); k.private.isNone() {
					t.Error("the announced key is not open")
				}
			}
		})
	}
}

// Another key's signatures are right, and its tokens would not verify: the comparison with
// the row catches it, before anything is signed.
func TestSignerOpensAnotherKeyThanTheRow(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	mustNew(t, w.config())
	w.hsm.Lie(hooktest.Lies{Opened: func(crypto.Signer) crypto.Signer { return testKey(64) }})

	r := mustNew(t, w.config())

	wantRefuses(t, r)
	if log := w.log.String(); strings.Count(log, "it is another key than its row says") != 4 {
		t.Errorf("the log does not say so of each of four keys: %s", log)
	}
}
