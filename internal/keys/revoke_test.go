package keys

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

func mustRevoke(t *testing.T, r *Rings, kid string) Revocation {
	t.Helper()
	out, err := r.Revoke(t.Context(), kid)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// isSealed reports whether a key has its private half in the database.
func (w *world) isSealed(kid string) bool {
	w.t.Helper()
	var sealed bool
	err := w.pool.QueryRow(w.t.Context(), `select private_jwe is not null from authd.signing_keys where kid = $1`, kid).Scan(&sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	return sealed
}

// K-07: the successor was published already.
func TestRevokeSigningKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var events []Event
	r := w.ringsWith(func(c *Config) { c.OnEvent = func(_ context.Context, e Event) { events = append(events, e) } })
	other := w.rings()
	token := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	before := w.keys(oauth.AccessRing)
	events = nil

	out := mustRevoke(t, r, before[0].KID)

	after := w.keys(oauth.AccessRing)
	want := Revocation{
		Ring: oauth.AccessRing, KID: before[0].KID, Was: oauth.KeySigning, Signing: before[1].KID, Announced: after[2].KID,
		TokensUntil: out.TokensUntil,
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	if left := out.TokensUntil.Sub(*after[0].RevokedAt); left < time.Hour || left > time.Hour+2*time.Minute {
		t.Errorf("its tokens live %s, want an hour and what replicas may be late", left)
	}
	if diff := cmp.Diff([]Event{Announced{oauth.AccessRing, after[2].KID}, Revoked{out}}, events); diff != "" {
		t.Error(diff)
	}
	if w.isSealed(before[0].KID) {
		t.Error("the private half is still there")
	}
	if _, err := r.Verify(t.Context(), oauth.AccessRing, oauth.TypeAccessToken, token); !errors.Is(err, ErrInvalid) {
		t.Errorf("its token: got %v, want ErrInvalid", err)
	}
	mustPoll(t, other)
	for _, replica := range []*Rings{r, other} {
		if diff := cmp.Diff([]string{before[1].KID, after[2].KID}, kidsOf(t, replica)); diff != "" {
			t.Errorf("published: %s", diff)
		}
		c := mustVerify(t, replica, oauth.AccessRing, oauth.TypeAccessToken, mustSign(t, replica, oauth.AccessRing, before[0].KID, oauth.TypeAccessToken, "{}"))
		if c.Kid != before[1].KID {
			t.Errorf("signs with %s", c.Kid)
		}
	}
}

func TestRevokeAnnouncedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	w.advance(30*day - time.Minute)
	mustPoll(t, r)
	before := w.keys(oauth.AccessRing)

	out := mustRevoke(t, r, before[1].KID)

	after := w.keys(oauth.AccessRing)
	if out.Was != oauth.KeyAnnounced || out.Signing != before[0].KID || out.Announced != after[2].KID || !out.TokensUntil.IsZero() {
		t.Errorf("got %+v", out)
	}
	if got, want := after[0].RotateAfter, after[2].AnnouncedAt.Add(day); !got.Equal(want) {
		t.Errorf("the signing key makes way at %s, want when the new one has been announced for the lead, %s", got, want)
	}
	w.advance(30*day + time.Hour)
	mustPoll(t, r)
	if n := len(w.keys(oauth.AccessRing)); n != 3 {
		t.Errorf("%d keys, want 3: the new key must be published for the lead first", n)
	}
	w.advance(31*day + time.Hour)
	mustPoll(t, r)
	if kid, _ := r.Signing(oauth.AccessRing); kid != after[2].KID {
		t.Errorf("signs with %s, want %s", kid, after[2].KID)
	}
}

func TestRevokeOtherStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	token := mustSign(t, r, oauth.RefreshRing, "", oauth.TypeRefreshToken, "{}")
	rotation := mustRotate(t, r, oauth.RefreshRing, false)

	out := mustRevoke(t, r, rotation.Previous)

	if out.Was != oauth.KeyRetired || out.Signing != rotation.Signing || out.Announced != rotation.Announced {
		t.Errorf("a retired key: %+v", out)
	}
	if _, err := r.Verify(t.Context(), oauth.RefreshRing, oauth.TypeRefreshToken, token); !errors.Is(err, ErrInvalid) {
		t.Errorf("its token: got %v, want ErrInvalid", err)
	}
	if again := mustRevoke(t, r, rotation.Previous); again.Was != oauth.KeyRevoked {
		t.Errorf("once more: %+v", again)
	}
	if _, err := r.Revoke(t.Context(), "unknown"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("an unknown key: got %v, want db.ErrNotFound", err)
	}
	expired := mustRotate(t, r, oauth.AccessRing, false).Previous
	w.advance(2 * time.Hour)
	mustPoll(t, r)
	if out := mustRevoke(t, r, expired); out.Was != oauth.KeyExpired {
		t.Errorf("an expired key: %+v", out)
	}
}

// The second call changes nothing and is a commit all the same: the first may have been seen
// and not be on the standby.
func TestRevokingAKeyAgainIsACommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	kid := mustRotate(t, r, oauth.AccessRing, false).Previous
	locker := func() (id string) {
		t.Helper()
		// Null of a row that nobody has locked, aborted of a transaction that was rolled back.
		err := w.pool.QueryRow(t.Context(), `select coalesce(xmax::text || pg_xact_status((xmax::text)::xid8), 'none')
			from authd.signing_keys where kid = $1`, kid).Scan(&id)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	mustRevoke(t, r, kid)
	before := locker()

	again := mustRevoke(t, r, kid)

	if after := locker(); again.Was != oauth.KeyRevoked || after == before || !strings.HasSuffix(after, "committed") {
		t.Errorf("%+v; the row was locked by %q and then by %q, want another that committed", again, before, after)
	}
}

// Both keys of a ring are damaged, or leaked one after the other: the ring gets sound ones.
func TestRevokeMendsARing(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"the announced key is quarantined": `update authd.signing_keys set private_jwe = '{}'`,
		"the announced key is gone":        `delete from authd.signing_keys where signs_from is null`,
	} {
		w := newWorld(t)
		w.rings()
		w.exec(damage)
		r := w.rings()
		bad := w.keys(oauth.AccessRing)[0].KID
		for _, ring := range allRings {
			mustRevoke(t, r, w.keys(ring)[0].KID)
		}
		if err := r.Ready(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if kid, _ := r.Signing(oauth.AccessRing); kid == bad {
			t.Errorf("%s: the revoked key signs", name)
		}
	}
}

// Whatever wins, the revoked key ends and the ring stays whole.
func TestRevokeRacesWithRotations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := make([]*Rings, 8)
	for i := range replicas {
		replicas[i] = w.rings()
	}
	before := w.keys(oauth.AccessRing)
	release := w.holdKey(before[0].KID)
	var wg sync.WaitGroup
	for i, r := range replicas {
		wg.Go(func() {
			var err error
			switch i % 4 {
			case 0:
				_, err = r.Revoke(t.Context(), before[0].KID)
			case 1:
				_, err = r.Revoke(t.Context(), before[1].KID)
			default:
				_, err = r.Rotate(t.Context(), oauth.AccessRing, true)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	release()
	wg.Wait()

	var open, announced int
	for i, k := range w.keys(oauth.AccessRing) {
		if k.Seq != int64(i+1) {
			t.Errorf("seq %d at place %d", k.Seq, i+1)
		}
		switch k.State(time.Now()) {
		case oauth.KeySigning:
			open++
		case oauth.KeyAnnounced:
			announced++
		}
		if slices.Contains([]string{before[0].KID, before[1].KID}, k.KID) && k.RevokedAt == nil {
			t.Errorf("key %d is not revoked", i+1)
		}
	}
	if open != 1 || announced != 1 {
		t.Errorf("%d signing and %d announced keys, want one of each", open, announced)
	}
}
