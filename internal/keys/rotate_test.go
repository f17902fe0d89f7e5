package keys

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
)

const day = 24 * time.Hour

func TestRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	w.advance(day)

	got := mustRotate(t, r, oauth.AccessRing, false)

	keys := w.keys(oauth.AccessRing)
	want := Rotation{Previous: keys[0].KID, Signing: keys[1].KID, Announced: keys[2].KID, Stepped: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	closed, opened, announced := keys[0], keys[1], keys[2]
	at := *closed.SignsUntil
	for _, tt := range []struct {
		name      string
		got, want time.Time
	}{
		{"successor signs from when the other stopped", *opened.SignsFrom, at},
		{"next key is announced then", announced.AnnouncedAt, at},
		{"closed key stays published: 60 s + 1 h + skew + max-age", *closed.PublishedUntil, at.Add(time.Hour + 7*time.Minute)},
		{"successor signs for one period", opened.RotateAfter, at.Add(30 * day)},
		{"next key waits one period and signs for one", announced.RotateAfter, at.Add(60 * day)},
	} {
		if !tt.got.Equal(tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
	if kid, _ := r.Signing(oauth.AccessRing); kid != got.Signing {
		t.Errorf("this replica signs with %s, want %s at once", kid, got.Signing)
	}
	if len(w.keys(oauth.RefreshRing)) != 2 {
		t.Error("the other ring was touched")
	}
}

func TestRotateRefreshRingPublishesForAFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mustRotate(t, w.rings(), oauth.RefreshRing, false)

	closed := w.keys(oauth.RefreshRing)[0]

	if got, want := closed.PublishedUntil.Sub(*closed.SignsUntil), 90*day+7*time.Minute; got != want {
		t.Errorf("published for %s, want %s", got, want)
	}
}

// a key is published before it signs.
func TestRotateSafeLead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	mustRotate(t, r, oauth.AccessRing, false) // the key announced with the ring counts as old
	before := w.keys(oauth.AccessRing)
	safeAt := before[2].AnnouncedAt.Add(12 * time.Minute) // 2 × 5 min + 60 s + 60 s

	_, err := r.Rotate(t.Context(), oauth.AccessRing, false)

	young, ok := errors.AsType[*TooYoungError](err)
	if !ok || !young.SafeAt.Equal(safeAt) || young.Ring != oauth.AccessRing {
		t.Fatalf("got %v, want a TooYoungError until %s", err, safeAt)
	}
	if diff := cmp.Diff(before, w.keys(oauth.AccessRing)); diff != "" {
		t.Errorf("a refusal changed keys: %s", diff)
	}
	if out := mustRotate(t, r, oauth.AccessRing, true); out.Signing != before[2].KID || !out.SafeAt.Equal(safeAt) {
		t.Errorf("forced rotation signs with %s, safe at %s, want %s and %s", out.Signing, out.SafeAt, before[2].KID, safeAt)
	}
	w.advance(13 * time.Minute)
	mustRotate(t, r, oauth.AccessRing, false)
}

func TestRotateTellsTheHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var told []Rotation
	cfg := w.config()
	cfg.OnEvent = func(_ context.Context, e Event) {
		if e, ok := e.(Rotated); ok && e.Ring == oauth.RefreshRing {
			told = append(told, e.Rotation)
		}
	}
	r, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := mustRotate(t, r, oauth.RefreshRing, false)
	_, _ = r.Rotate(t.Context(), oauth.RefreshRing, false) // refused

	if diff := cmp.Diff([]Rotation{out}, told); diff != "" {
		t.Error(diff)
	}
}

// A rotation made elsewhere, by the command line say, leaves its line in the log of each replica.
func TestReplicasLogARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.rings(), w.rings()
	next := mustRotate(t, one, oauth.AccessRing, false)
	before := strings.Count(w.log.String(), "another key signs")

	mustPoll(t, other)
	mustPoll(t, other)

	log := w.log.String()
	if strings.Count(log, "another key signs") != before+1 || !strings.Contains(log, "signing="+next.Signing) {
		t.Errorf("the other replica's log does not have one line of the rotation:\n%s", log)
	}
}

// holdKey locks a row. What it returns waits until all other connections of the pool
// wait for it, so that they really race, and lets them go.
func (w *world) holdKey(kid string) (release func()) {
	w.t.Helper()
	tx, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := tx.Exec(w.t.Context(), `select from authd.signing_keys where kid = $1 for update`, kid); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for waiting := 0; waiting < int(w.pool.Config().MaxConns)-1; <-tick.C {
			err := tx.QueryRow(w.t.Context(), `select count(distinct w.pid) from pg_locks w join pg_locks o using (pid)
				where not w.granted and o.relation = 'authd.signing_keys'::regclass
				and o.database = (select oid from pg_database where datname = current_database())`).Scan(&waiting)
			if err != nil {
				w.t.Fatal(err)
			}
		}
		if err := tx.Rollback(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Of any number of replicas that see a rotation due, one makes it (K-08).
func TestRotateConcurrently(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		w := newWorld(t)
		replicas := make([]*Rings, 24)
		for i := range replicas {
			replicas[i] = w.rings()
		}
		before := w.keys(oauth.AccessRing)
		release := w.holdKey(before[0].KID)

		var steps atomic.Int64
		outcomes := make([]Rotation, len(replicas))
		var wg sync.WaitGroup
		for i, r := range replicas {
			wg.Go(func() {
				out, err := r.Rotate(t.Context(), oauth.AccessRing, force)
				if err != nil {
					t.Error(err)
				}
				if out.Stepped {
					steps.Add(1)
				}
				out.Stepped = false
				outcomes[i] = out
			})
		}
		release()
		wg.Wait()

		if got := steps.Load(); got != 1 {
			t.Errorf("force %t: %d calls made a step, want 1", force, got)
		}
		after := w.keys(oauth.AccessRing)
		if len(after) != 3 {
			t.Fatalf("force %t: %d keys, want 3", force, len(after))
		}
		want := Rotation{Previous: before[0].KID, Signing: before[1].KID, Announced: after[2].KID}
		for _, got := range outcomes {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("force %t: %s", force, diff)
			}
		}
		if !after[0].SignsUntil.Equal(*after[1].SignsFrom) {
			t.Errorf("force %t: a call that made no step changed the schedule", force)
		}
		if now := after[2].AnnouncedAt; after[0].State(now) != oauth.KeyRetired ||
			after[1].State(now) != oauth.KeySigning || after[2].State(now) != oauth.KeyAnnounced {
			t.Errorf("force %t: states are %s, %s, %s", force, after[0].State(now), after[1].State(now), after[2].State(now))
		}
	}
}

// A verifier that has the JWKS of one moment finds in it the key of every token that any
// replica signs while it may keep the set (K-05, K-06): signing never goes to a key that
// was not in the set before.
// a retired key stays published.
func TestTokensVerifyThroughRotations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.rings(), w.rings()
	tokens := []string{mustSign(t, a, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")}
	for i := range 3 {
		w.advance(time.Duration(i+1) * 13 * time.Minute) // b's snapshot is stale at first
		mustPoll(t, a)
		published := kidsOf(t, a)
		mustRotate(t, a, oauth.AccessRing, false)
		mustPoll(t, b)
		for _, r := range []*Rings{a, b} {
			kid, err := r.Signing(oauth.AccessRing)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(published, " "), kid) {
				t.Errorf("step %d signs with %s, which was not published before", i, kid)
			}
			tokens = append(tokens, mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}"))
		}
		for _, token := range tokens { // all made less than an hour ago
			c := mustVerify(t, b, oauth.AccessRing, oauth.TypeAccessToken, token)
			if !strings.Contains(strings.Join(kidsOf(t, b), " "), c.Kid) {
				t.Errorf("step %d: key %s of a live token is not published", i, c.Kid)
			}
		}
	}
}

// The retry of a refresh is answered with the same bytes across a rotation, until the
// private half is wiped.
func TestRetiredKeySignsForGraceUntilWiped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, elsewhere := w.rings(), w.rings()
	kid, err := r.Signing(oauth.RefreshRing)
	if err != nil {
		t.Fatal(err)
	}
	first := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`)
	out := mustRotate(t, r, oauth.RefreshRing, false)

	if again := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`); again != first {
		t.Error("the retry got other bytes")
	}
	// The other replica has not heard of the rotation, and its client retries there.
	here := mustSign(t, r, oauth.RefreshRing, out.Signing, oauth.TypeRefreshToken, `{"jti":"2"}`)
	if there := mustSign(t, elsewhere, oauth.RefreshRing, out.Signing, oauth.TypeRefreshToken, `{"jti":"2"}`); there != here {
		t.Error("the retry at another replica got other bytes")
	}

	w.advance(3 * time.Minute)
	mustPoll(t, r)
	if again := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`); again != first {
		t.Error("the private half was wiped before its time")
	}

	w.advance(4*time.Minute + time.Second) // 120 s + the largest grace
	mustPoll(t, r)

	token := mustSign(t, r, oauth.RefreshRing, kid, oauth.TypeRefreshToken, `{"jti":"1"}`)
	if c := mustVerify(t, r, oauth.RefreshRing, oauth.TypeRefreshToken, token); c.Kid != out.Signing {
		t.Errorf("signed with %s, want the current key %s", c.Kid, out.Signing)
	}
	mustVerify(t, r, oauth.RefreshRing, oauth.TypeRefreshToken, first) // the public half stays
	var sealed *string
	err = w.pool.QueryRow(t.Context(), `select private_jwe from authd.signing_keys where kid = $1`, kid).Scan(&sealed)
	if err != nil || sealed != nil {
		t.Errorf("private half is still there (%v)", err)
	}
}

func TestExpiredKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	token := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	mustRotate(t, r, oauth.AccessRing, false)

	w.ahead.Store(int64(time.Hour + 7*time.Minute + time.Second)) // no poll has happened since
	_, err := r.Verify(t.Context(), oauth.AccessRing, oauth.TypeAccessToken, token)
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid from an old snapshot", err)
	}

	w.advance(time.Hour + 7*time.Minute + time.Second)
	mustPoll(t, r)
	if _, err := r.Verify(t.Context(), oauth.AccessRing, oauth.TypeAccessToken, token); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	if got := len(kidsOf(t, r)); got != 2 {
		t.Errorf("%d keys published, want 2", got)
	}
	if got := len(w.keys(oauth.AccessRing)); got != 3 {
		t.Errorf("%d rows, want 3: the record stays", got)
	}
}

// Who loses the race in one ring does not step a second time in the other.
func TestRotateBothRingsFromOneView(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	winner, loser := w.rings(), w.rings()
	late := loser.View()
	for _, ring := range allRings {
		mustRotate(t, winner, ring, true)
	}

	for _, ring := range allRings {
		out, err := late.Rotate(t.Context(), ring, true)
		if err != nil || out.Stepped {
			t.Errorf("ring %s: stepped %v, %v", ring, out.Stepped, err)
		}
		if n := len(w.keys(ring)); n != 3 {
			t.Errorf("ring %s has %d keys, want 3", ring, n)
		}
	}
}
