package keys

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
)

func (w *world) ringsWith(alter func(*Config)) *Rings {
	w.t.Helper()
	cfg := w.config()
	alter(&cfg)
	r, err := New(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestRotatesByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var events []Event
	r := w.ringsWith(func(c *Config) { c.OnEvent = func(_ context.Context, e Event) { events = append(events, e) } })
	events = nil
	first := w.keys(oauth.AccessRing)

	w.advance(30*day - time.Minute)
	mustPoll(t, r)
	if kid, _ := r.Signing(oauth.AccessRing); kid != first[0].KID {
		t.Fatal("rotated before the plan")
	}
	w.advance(30*day + time.Minute)
	mustPoll(t, r)

	after := w.keys(oauth.AccessRing)
	if len(after) != 3 || len(w.keys(oauth.RefreshRing)) != 3 {
		t.Fatalf("%d and %d keys, want three in each ring", len(after), len(w.keys(oauth.RefreshRing)))
	}
	if kid, err := r.Signing(oauth.AccessRing); kid != after[1].KID || err != nil {
		t.Errorf("signs with %s, %v, want the announced key", kid, err)
	}
	out := Rotation{Previous: after[0].KID, Signing: after[1].KID, Announced: after[2].KID, Stepped: true}
	if diff := cmp.Diff([]Event{Rotated{oauth.AccessRing, out}, Announced{oauth.AccessRing, after[2].KID}}, events[:2]); diff != "" {
		t.Error(diff)
	}

	w.advance(35 * day)
	mustPoll(t, r)
	if expired := (Expired{oauth.AccessRing, after[0].KID}); !slices.Contains(events, Event(expired)) {
		t.Errorf("nothing tells that %s has left the set", after[0].KID)
	}
	if len(w.keys(oauth.AccessRing)) != 3 {
		t.Error("rotated once more")
	}
}

// A host that was off for two months rotates once, late, and its keys sign for a whole
// period from then on.
func TestRotatesLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	w.advance(61 * day)

	r := w.rings()
	for range 3 {
		mustPoll(t, r)
	}

	keys := w.keys(oauth.AccessRing)
	if len(keys) != 3 || keys[1].SignsFrom == nil || !keys[1].RotateAfter.Equal(keys[1].SignsFrom.Add(30*day)) {
		t.Errorf("keys are %+v", keys)
	}
}

// Each row keeps what was promised when it was written, whatever the configuration says
// today.
func TestConfigurationDoesNotChangeAPlan(t *testing.T) {
	t.Parallel()
	shorter := func(c *Config) {
		c.Period, c.Lead, c.MaxAge, c.Poll, c.SnapshotCap, c.Skew = 10*time.Second, 10*time.Second, time.Second, time.Second, 2*time.Second, NoSkew
	}
	t.Run("a shorter period is for the next key", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.rings()
		r := w.ringsWith(shorter)
		w.advance(29 * day)
		mustPoll(t, r)
		if n := len(w.keys(oauth.AccessRing)); n != 2 {
			t.Errorf("%d keys, want 2: the first signs for 30 days", n)
		}
	})
	t.Run("a shorter max-age waits until caches of the longer one have ended", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		mustRotate(t, w.ringsWith(func(c *Config) { c.MaxAge = time.Hour }), oauth.AccessRing, false)
		announced := w.keys(oauth.AccessRing)[2]
		r := w.ringsWith(shorter)
		w.exec(`update authd.signing_keys set rotate_after = signs_from where signs_from is not null`)

		w.advance(time.Minute)
		mustPoll(t, r)
		_, err := r.Rotate(t.Context(), oauth.AccessRing, false)
		young, ok := errors.AsType[*TooYoungError](err)
		if want := announced.AnnouncedAt.Add(2*time.Hour + 2*time.Minute); !ok || !young.SafeAt.Equal(want) {
			t.Errorf("got %v, want that it is safe at %s", err, want)
		}
		if n := len(w.keys(oauth.AccessRing)); n != 3 {
			t.Errorf("%d keys, want 3: verifiers hold sets without the announced key", n)
		}

		w.advance(2*time.Hour + 3*time.Minute)
		mustPoll(t, r)
		if n := len(w.keys(oauth.AccessRing)); n != 4 {
			t.Errorf("%d keys, want 4", n)
		}
	})
	t.Run("a longer max-age counts as soon as a server has it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		short := w.ringsWith(shorter)
		mustRotate(t, short, oauth.AccessRing, false)
		w.ringsWith(func(c *Config) { c.MaxAge = time.Hour })
		w.advance(time.Minute)
		mustPoll(t, short)
		if _, err := short.Rotate(t.Context(), oauth.AccessRing, false); err == nil {
			t.Error("the other server's verifiers may hold a set without the new key")
		}
	})
}

func TestRunRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rotated := make(chan Rotation, 1)
	r := w.ringsWith(func(c *Config) {
		c.Poll, c.SnapshotCap = time.Millisecond, time.Minute
		c.OnEvent = func(_ context.Context, e Event) {
			if e, ok := e.(Rotated); ok && e.Ring == oauth.AccessRing {
				rotated <- e.Rotation
			}
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	defer running.Wait()
	defer stop()

	w.advance(31 * day)

	if out := <-rotated; out.Signing != w.keys(oauth.AccessRing)[1].KID {
		t.Errorf("rotated to %s", out.Signing)
	}
}

// K-08, for steps that are due: nobody leads.
func TestReplicasTendAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := make([]*Rings, 12)
	var rotations atomic.Int64
	for i := range replicas {
		replicas[i] = w.ringsWith(func(c *Config) {
			c.OnEvent = func(_ context.Context, e Event) {
				if _, ok := e.(Rotated); ok {
					rotations.Add(1)
				}
			}
		})
	}
	first := w.keys(oauth.AccessRing)[0]
	w.advance(31 * day)
	for _, r := range replicas {
		if err := r.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	release := w.holdKey(first.KID)
	var wg sync.WaitGroup
	for _, r := range replicas {
		wg.Go(func() {
			if err := r.tend(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	release()
	wg.Wait()

	if n := rotations.Load(); n != 2 || len(w.keys(oauth.AccessRing)) != 3 || len(w.keys(oauth.RefreshRing)) != 3 {
		t.Errorf("%d steps, want one for each ring", n)
	}
}

// Somebody deleted the announced row by hand: the ring gets another.
func TestMissingAnnouncedKeyIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	w.exec(`delete from authd.signing_keys where signs_from is null`)
	w.advance(30*day - time.Hour)
	if err := r.poll(t.Context()); err != nil {
		t.Fatal(err)
	}

	mustPoll(t, r)

	keys := w.keys(oauth.AccessRing)
	if len(keys) != 2 || keys[1].SignsFrom != nil {
		t.Fatalf("keys are %+v", keys)
	}
	if got, want := keys[0].RotateAfter, keys[1].AnnouncedAt.Add(day); !got.Equal(want) {
		t.Errorf("the signing key is planned to make way at %s, want after the lead of the new one, %s", got, want)
	}
}

// F-22: whoever comes back from a pause reads before it signs.
func TestAPausedReplicaReadsBeforeItSigns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	paused, other := w.rings(), w.rings()
	mustRotate(t, other, oauth.AccessRing, false)
	w.advance(13 * time.Minute)
	mustRotate(t, other, oauth.AccessRing, false)
	published := kidsOf(t, other)

	if _, err := paused.Sign(t.Context(), oauth.AccessRing, "", oauth.TypeAccessToken, []byte("{}")); !errors.Is(err, ErrNotReady) {
		t.Errorf("signed with a snapshot of 13 minutes ago: %v", err)
	}
	if err := paused.Admit(t.Context()); err != nil {
		t.Fatal(err)
	}

	if kid, err := paused.Signing(oauth.AccessRing); err != nil || kid != published[0] {
		t.Errorf("signs with %s, %v, want %s", kid, err, published[0])
	}
}

// A host that slept: its monotonic clock stood still, the other did not.
func TestSleepMakesASnapshotOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	asleep := r.snapshot.Load().readAt.Round(0).Add(2 * time.Minute) // no monotonic part
	r.cfg.Now = func() time.Time { return asleep }

	if _, err := r.Signing(oauth.AccessRing); !errors.Is(err, ErrNotReady) {
		t.Errorf("got %v, want ErrNotReady", err)
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		ahead time.Duration // this host's clock
		ready bool
	}{
		{"the same clock", 0, true},
		{"four seconds ahead", 4 * time.Second, true},
		{"six seconds ahead", 6 * time.Second, false},
		{"six seconds behind", -6 * time.Second, false},
		{"a day behind", -day, false},
	} {
		w := newWorld(t)
		w.ahead.Store(int64(tt.ahead))
		r := w.rings()
		if err := r.CheckClock(); (err == nil) != tt.ready || err != nil && !errors.Is(err, ErrNotReady) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := r.Stats().ClockSkew; (got - tt.ahead).Abs() > time.Second {
			t.Errorf("%s: skew is %s", tt.name, got)
		}
		w.ahead.Store(0)
		mustPoll(t, r)
		if err := r.CheckClock(); err != nil {
			t.Errorf("%s, then right: %v", tt.name, err)
		}
	}
}

func TestTendReportsAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	w.exec(`update authd.signing_keys set private_jwe = '{}' where ring = 'access' and seq = 2`)
	w.advance(31 * day)
	if err := r.poll(t.Context()); err != nil {
		t.Fatal(err)
	}

	err := r.tend(t.Context())

	if !errors.Is(err, ErrNotReady) || !strings.Contains(w.log.String(), `task="rotate ring access"`) {
		t.Errorf("got %v, want that ring access cannot rotate, in the log too", err)
	}
	if n := len(w.keys(oauth.RefreshRing)); n != 3 {
		t.Errorf("ring refresh has %d keys, want 3: the rings are independent", n)
	}
}
