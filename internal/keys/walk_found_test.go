package keys

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/oauth"
)

// What the walk found, each as short as it gets.

// waitForWaiting returns when so many statements wait for what tx holds of the keys.
func (w *world) waitForWaiting(tx pgx.Tx, n int) {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for waiting := 0; waiting < n; <-tick.C {
		err := tx.QueryRow(w.t.Context(), `select count(distinct w.pid) from pg_locks w join pg_locks o using (pid)
			where not w.granted and o.relation = 'authd.signing_keys'::regclass
			and o.database = (select oid from pg_database where datname = current_database())`).Scan(&waiting)
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// A rotation that waited for the revocation of the announced key closed the signing one,
// and opened none.
func TestRotationWaitsForARevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.rings(), w.rings()
	before := w.keys(oauth.AccessRing)
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select from authd.signing_keys where kid = $1 for update`, before[0].KID); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() { mustRevoke(t, one, before[1].KID) })
	w.waitForWaiting(tx, 1)
	var out Rotation
	both.Go(func() { out = mustRotate(t, other, oauth.AccessRing, false) })
	w.waitForWaiting(tx, 2)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	both.Wait()

	keys := w.keys(oauth.AccessRing)
	now := keys[2].AnnouncedAt
	for i, want := range []oauth.KeyState{oauth.KeySigning, oauth.KeyRevoked, oauth.KeyAnnounced} {
		if got := keys[i].State(now); got != want {
			t.Errorf("key %d is %s, want %s", i+1, got, want)
		}
	}
	if out.Stepped || out.Signing != keys[0].KID || out.Announced != keys[2].KID {
		t.Errorf("the rotation says %+v", out)
	}
}

// A server that lets verifiers cache for an hour was stopped. Two forced rotations later no
// row knew of it any more, and the next rotation was allowed after seconds.
func TestForceKeepsPromises(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ringsWith(func(c *Config) { c.MaxAge = time.Hour })
	r := w.ringsWith(func(c *Config) { c.MaxAge, c.Skew = time.Second, NoSkew })
	mustRotate(t, r, oauth.AccessRing, true)
	mustRotate(t, r, oauth.AccessRing, true)
	for _, name := range []string{"forced twice", "and the announced key revoked"} {
		announced := w.keys(oauth.AccessRing)[len(w.keys(oauth.AccessRing))-1]
		safeAt := announced.AnnouncedAt.Add(2*time.Hour + 2*time.Minute)

		_, err := r.Rotate(t.Context(), oauth.AccessRing, false)

		if young, ok := errors.AsType[*TooYoungError](err); !ok || !young.SafeAt.Equal(safeAt) {
			t.Errorf("%s: got %v, want a TooYoungError until %s", name, err, safeAt)
		}
		mustRevoke(t, r, announced.KID)
	}
}

// A replica that has not read the rings for long serves its set, but a key that it does not
// know may sign by now, or at any time: nobody may keep the set.
func TestJWKSOfAnOldSnapshotIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var slept time.Duration
	r := w.ringsWith(func(c *Config) {
		c.Now = func() time.Time { return clockReading(walkEpoch.Add(slept), 0) }
	})
	for _, tt := range []struct {
		slept, want time.Duration
	}{{0, 5 * time.Minute}, {time.Minute, 5 * time.Minute}, {61 * time.Second, 0}} {
		slept = tt.slept
		doc, err := r.JWKS()
		if err != nil || len(doc.Body) == 0 {
			t.Fatalf("%s after the reading: %d bytes, %v", slept, len(doc.Body), err)
		}
		if doc.MaxAge != tt.want {
			t.Errorf("%s after the reading: max-age %s, want %s", slept, doc.MaxAge, tt.want)
		}
	}
	mustPoll(t, r)
	if doc, err := r.JWKS(); err != nil || doc.MaxAge != 5*time.Minute {
		t.Errorf("after the next reading: max-age %s, %v", doc.MaxAge, err)
	}
}
