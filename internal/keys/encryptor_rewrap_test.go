package keys

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// From a key in a file to one at a KMS and back, without a moment in which nothing signs.
func TestMoveBetweenASecretAndAKMS(t *testing.T) {
	t.Parallel()
	for _, toKMS := range []bool{true, false} {
		w := newKMSWorld(t)
		secret, kms := w.kek, RemoteKEK(w.kms)
		from, to := kms, secret
		name := "from the KMS"
		if toKMS {
			from, to, name = secret, kms, "to the KMS"
		}
		mustNew(t, w.hooked(&w.limits, from))
		old := mustNew(t, w.hooked(&w.limits, from)) // lacks the new key
		token := mustSign(t, old, oauth.AccessRing, "", "t+jwt", "{}")
		both := mustNew(t, w.hooked(&w.limits, to, from))

		ctx, interrupt := context.WithCancel(t.Context())
		calls := 0
		w.kms.Fail(func(context.Context, string, string) error {
			if calls++; calls == 4 {
				interrupt()
				return hooktest.ErrBroken
			}
			return nil
		})
		done, err := both.Rewrap(ctx)
		interrupt()
		w.kms.Fail(nil)
		if err == nil || len(done.KIDs) == 0 || len(done.KIDs) == 4 {
			t.Fatalf("%s: %d keys and %v, want an interruption in the middle", name, len(done.KIDs), err)
		}
		for _, r := range []*Rings{old, both} { // half of the rows are of either kind
			mustPoll(t, r)
			wantSigns(t, r)
		}
		rest, err := both.Rewrap(t.Context())
		if err != nil || rest.KEK != to.ID() || len(rest.KIDs)+len(done.KIDs) != 4 || rest.Unchanged != len(done.KIDs) {
			t.Errorf("%s: after %v: %+v, %v", name, done.KIDs, rest, err)
		}
		for _, half := range w.halves() {
			if h, err := readSeal(half.PrivateJWE); err != nil || h.KID != to.ID() || (h.DataKey != nil) != toKMS {
				t.Errorf("%s: key %s is sealed under %s, %v", name, half.KID, h.KID, err)
			}
		}

		for _, r := range []*Rings{old, both, mustNew(t, w.hooked(&w.limits, to))} {
			mustPoll(t, r)
			wantSigns(t, r)
			if mustSign(t, r, oauth.AccessRing, "", "t+jwt", "{}") != token {
				t.Errorf("%s: another key signs", name)
			}
		}
		if log := w.log.String(); strings.Count(log, "sealed anew and cannot be opened") != 4 || !strings.Contains(log, to.ID()) {
			t.Errorf("%s: the log of the server that lacks the key does not say so four times: %s", name, log)
		}
		if _, err := New(t.Context(), w.hooked(&w.limits, from)); !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), to.ID()) {
			t.Errorf("%s: got %v, want ErrKEK with the id that is missing", name, err)
		}
	}
}

// Each call of a rewrapping may fail: the key that it was for stays as it was.
func TestKMSFailsWhileRewrapping(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 8; n++ { // encrypt and round trip of four keys
		w := newKMSWorld(t)
		mustNew(t, w.hooked(&w.limits, w.kek))
		r := mustNew(t, w.hooked(&w.limits, RemoteKEK(w.kms), w.kek))
		w.kms.Fail(hooktest.BrokenAt(n))

		out, err := r.Rewrap(t.Context())

		if !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), "kms/signing") || len(out.KIDs) != 3 {
			t.Errorf("call %d: %d keys, %v, want one left for an outage of the KMS", n, len(out.KIDs), err)
		}
		mustPoll(t, r)
		wantSigns(t, r)
		if out, err = r.Rewrap(t.Context()); err != nil || len(out.KIDs) != 1 || out.Unchanged != 3 {
			t.Errorf("call %d: once more: %+v, %v", n, out, err)
		}
		wantSigns(t, mustNew(t, w.hooked(&w.limits, RemoteKEK(w.kms))))
	}
}
