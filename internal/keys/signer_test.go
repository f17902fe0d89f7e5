package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// hsmWorld is a world whose private halves are in an HSM.
type hsmWorld struct {
	*world
	hsm    *hooktest.HSM
	limits hooktest.Limits
}

func newHSMWorld(t testing.TB) *hsmWorld {
	w := newWorld(t)
	return &hsmWorld{world: w, hsm: hooktest.NewHSM(w.generateBits)}
}

func (w *hsmWorld) config() Config {
	cfg := w.hooked(&w.limits)
	cfg.Signer = w.hsm
	return cfg
}

// named lists the names that rows have, by ring and seq.
func (w *hsmWorld) named() (names []string) {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `select signer_key from authd.signing_keys
		where signer_key is not null and private_jwe is null order by ring, seq`)
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		names = append(names, name)
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return names
}

// wantNoOrphans fails the test unless the HSM has the keys of rows and no others.
func (w *hsmWorld) wantNoOrphans() {
	w.t.Helper()
	named := w.named()
	slices.Sort(named)
	if diff := cmp.Diff(named, w.hsm.Names()); diff != "" {
		w.t.Errorf("rows have, and the HSM has: %s", diff)
	}
}

func TestRingsOfASigner(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprintf("RSA-%d", bits), func(t *testing.T) {
			t.Parallel()
			w := newHSMWorld(t)
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
			if got := w.named(); len(got) != 4 {
				t.Errorf("rows have the keys %v and nothing sealed, want 4", got)
			}
			if got := again.Stats().Signatures; got != 3 {
				t.Errorf("%d signatures counted, want 3", got)
			}
			w.wantNoOrphans()
		})
	}
}

// The retry of a refresh is answered with the same bytes across a rotation, as long as the
// grace may last; then the key is destroyed, once.
func TestRetiredKeyOfASignerSignsForGraceUntilDestroyed(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r, other := mustNew(t, w.config()), mustNew(t, w.config())
	kid, err := r.Signing(oauth.RefreshRing)
	if err != nil {
		t.Fatal(err)
	}
	first := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`)
	out := mustRotate(t, r, oauth.RefreshRing, false)
	retired := w.named()[2]

	for _, after := range []time.Duration{0, 3 * time.Minute} {
		w.advance(after)
		for _, r := range []*Rings{r, other} {
			mustPoll(t, r)
			if again := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`); again != first {
				t.Errorf("after %s the retry got other bytes", after)
			}
		}
	}
	if got := w.hsm.Destroyed(); len(got) != 0 {
		t.Errorf("%v destroyed before the time", got)
	}

	w.advance(4 * time.Minute) // 120 s + the largest grace
	for _, r := range []*Rings{r, other, r} {
		mustPoll(t, r)
	}

	if diff := cmp.Diff([]string{retired}, w.hsm.Destroyed()); diff != "" {
		t.Error(diff)
	}
	token := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`)
	if c := mustVerify(t, r, oauth.RefreshRing, oauth.TypeRefreshToken, token); c.Kid != out.Signing {
		t.Errorf("signed with %s, want the current key %s", c.Kid, out.Signing)
	}
	mustVerify(t, r, oauth.RefreshRing, oauth.TypeRefreshToken, first)
	w.wantNoOrphans()
}

func TestRevokedKeysOfASignerAreDestroyed(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	r, other := mustNew(t, w.config()), mustNew(t, w.config())
	mustRotate(t, r, oauth.AccessRing, false)
	for i, state := range []oauth.KeyState{oauth.KeyRetired, oauth.KeySigning, oauth.KeyAnnounced} {
		all := w.keys(oauth.AccessRing)
		k := all[i]
		if i == 2 {
			k = all[len(all)-1]
		}
		if out, err := r.Revoke(t.Context(), k.KID); err != nil || out.Was != state {
			t.Fatalf("%s key: %+v, %v", state, out, err)
		}
		mustPoll(t, r)
		mustPoll(t, other)
		if got := len(w.hsm.Destroyed()); got != i+1 {
			t.Errorf("%s key: %d keys destroyed, want %d", state, got, i+1)
		}
		wantSigns(t, r)
		wantSigns(t, other)
		w.wantNoOrphans()
	}
}

// Two replicas may destroy one key at once, and one that cannot be destroyed holds up no other.
func TestDestroyKeyIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	replicas := []*Rings{mustNew(t, w.config()), mustNew(t, w.config())}
	for _, ring := range allRings {
		mustRotate(t, replicas[0], ring, false)
	}
	names := w.named()
	access, refresh := names[0], names[3]
	w.advance(5 * time.Minute)
	hang := hooktest.NewHang()
	defer hang.Release()
	for _, tt := range []struct {
		name  string
		fault hooktest.Fault
	}{
		{"fails", hooktest.Broken()},
		{"hangs", hang.Deaf},
	} {
		stop := hang.Expire(&w.limits)
		w.hsm.Fail(hooktest.Only("destroy", func(ctx context.Context, op, name string) error {
			if name != access {
				return nil
			}
			return tt.fault(ctx, op, name)
		}))
		wantOutage(t, replicas[0].tend(t.Context()), doDestroy)
		stop()
		if got := w.named(); !slices.Contains(got, access) || slices.Contains(got, refresh) {
			t.Errorf("%s: rows have %v, want %s to be remembered and %s gone", tt.name, got, access, refresh)
		}
	}

	var both, wg sync.WaitGroup
	both.Add(2)
	w.hsm.Fail(hooktest.Only("destroy", func(context.Context, string, string) error { both.Done(); both.Wait(); return nil }))
	for _, r := range replicas {
		wg.Go(func() {
			if err := r.tend(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.named(); slices.Contains(got, access) {
		t.Errorf("rows have %v, want %s gone", got, access)
	}
}

// Of replicas that rotate at once, those that lose destroy what they made for nothing (K-08).
func TestKeysMadeForNothingAreDestroyed(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	replicas := make([]*Rings, 24)
	for i := range replicas {
		replicas[i] = mustNew(t, w.config())
	}
	release := w.holdKey(w.keys(oauth.AccessRing)[0].KID)
	var wg sync.WaitGroup
	for _, r := range replicas {
		wg.Go(func() {
			if _, err := r.Rotate(t.Context(), oauth.AccessRing, false); err != nil {
				t.Error(err)
			}
		})
	}
	release()
	wg.Wait()
	if got := len(w.hsm.Destroyed()); got != len(replicas)-1 {
		t.Errorf("%d keys destroyed, want %d", got, len(replicas)-1)
	}
	w.wantNoOrphans()
	wantSigns(t, replicas[0])
}

func TestFirstStartsAtOnceLeaveNoKeysAtTheSigner(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	const starts = 4
	var mu sync.Mutex
	var sawNone, wg sync.WaitGroup
	sawNone.Add(starts)
	created := 0
	w.hsm.Fail(hooktest.Only("create", func(context.Context, string, string) error {
		mu.Lock()
		created++
		first := created <= starts
		mu.Unlock()
		if first {
			sawNone.Done()
			sawNone.Wait()
		}
		return nil
	}))
	for range starts {
		wg.Go(func() {
			if _, err := New(t.Context(), w.config()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(w.named()); got != 4 || created < 2*starts {
		t.Errorf("%d rows of %d keys, want 4", got, created)
	}
	w.wantNoOrphans()
}

// Sealed keys, then a Signer's, then sealed ones: at no time something does not sign or verify.
func TestFromSealedKeysToASignerAndBack(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	config := func(signer, sealNew bool) Config {
		cfg := w.hooked(&w.limits, w.kek)
		if signer {
			cfg.Signer, cfg.SealNew = w.hsm, sealNew
		}
		return cfg
	}
	at := time.Duration(0)
	rotate := func(r *Rings) {
		at += 13 * time.Minute // more than the safe lead
		w.advance(at)
		mustPoll(t, r)
		for _, ring := range allRings {
			mustRotate(t, r, ring, false)
		}
		wantSigns(t, r)
	}
	first := mustNew(t, config(false, false))
	wantSigns(t, first)
	for _, tt := range []struct {
		name    string
		cfg     Config
		atHSM   int // rows after the two rotations
		signers bool
	}{
		{"to the Signer", config(true, false), 4, true},
		{"back", config(true, true), 2, false},
	} {
		r := mustNew(t, tt.cfg)
		wantSigns(t, r)
		rotate(r)
		token := mustSign(t, r, oauth.AccessRing, "", "t+jwt", "{}")
		rotate(r)
		mustVerify(t, r, oauth.AccessRing, "t+jwt", token)
		if got := len(w.named()); got != tt.atHSM {
			t.Errorf("%s: %d rows have keys at the HSM, want %d", tt.name, got, tt.atHSM)
		}
		if got := r.snapshot.Load().rings[oauth.RefreshRing].signing.private.remote() != nil; got != tt.signers {
			t.Errorf("%s: the Signer signs: %t", tt.name, got)
		}
		w.wantNoOrphans()
	}
	at += 5 * time.Minute
	w.advance(at)
	mustPoll(t, mustNew(t, config(true, true)))
	if got := w.hsm.Names(); len(got) != 0 {
		t.Errorf("the HSM keeps %v, which nothing needs", got)
	}
	wantSigns(t, mustNew(t, config(false, false)))
}

// A server that lacks the Signer says so, and destroys nothing.
func TestKeysOfASignerWithoutIt(t *testing.T) {
	t.Parallel()
	w := newHSMWorld(t)
	mustNew(t, w.config())
	before := w.named()

	r := mustNew(t, w.hooked(&w.limits, w.kek))

	wantRefuses(t, r)
	if err := r.tend(t.Context()); errors.Is(err, db.ErrUnavailable) {
		t.Error(err)
	}
	if diff := cmp.Diff(before, w.named()); diff != "" {
		t.Error(diff)
	}
}
