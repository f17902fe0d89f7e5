package authn

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

// B-06: however many passwords arrive at once, as many are hashed at a time as there are
// slots, each with the memory of one; the others wait, and after two seconds are told to come
// back.
func TestHashesAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(Config{}, cheap) // a new password is hashed before the database is asked
		release := make(chan struct{})
		var hashing atomic.Int32
		s.onHash = func() {
			hashing.Add(1)
			<-release
		}
		var wg sync.WaitGroup
		var busy, done atomic.Int32
		for range 500 {
			wg.Go(func() {
				_, err := s.hashInTurn(t.Context(), right)
				switch code(t, err) {
				case "":
					done.Add(1)
				case oauth.TemporarilyUnavailable:
					if refusal := err.(*oauth.Error); refusal.RetryAfter == 0 {
						t.Error("no Retry-After")
					}
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}

		synctest.Wait()
		at := hashing.Load()
		<-time.After(maxQueue + time.Millisecond) // of the bubble's clock, which waits for nobody
		synctest.Wait()
		close(release)
		wg.Wait()

		if want := int32(min(maxHashing, runtime.GOMAXPROCS(0))); at != want || hashing.Load() != want || done.Load() != want || busy.Load() != 500-want {
			t.Errorf("%d at a time, %d in all, %d done, %d turned away; want %d, %[5]d, %[5]d and the rest", at, hashing.Load(), done.Load(), busy.Load(), want)
		}
	})
}

// W-17: that a name is taken is told, of necessity; it costs what a free one costs.
func TestTakenNameCostsWhatAFreeOneDoes(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	newReplica(t, pool).create(t, "alice")
	traced, count := tracedPool(t, pool)
	r := newReplica(t, traced)
	for name, want := range map[string]oauth.Code{"alice": oauth.UsernameTaken, "bob": ""} {
		count.n.Store(0)

		_, err := r.Register(t.Context(), NewUser{Username: name, Password: right})

		if code(t, err) != want {
			t.Errorf("%s: %v", name, err)
		}
		if hashes, trips := r.evaluated(), count.n.Load(); hashes != 1 || trips != 1 {
			t.Errorf("%s: %d hashes and %d round trips, want 1 and 1", name, hashes, trips)
		}
	}
}
