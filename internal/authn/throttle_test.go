package authn

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

// fail makes n attempts with a wrong password, each of which must be let through.
func (r *replica) fail(t *testing.T, name string, n int) {
	t.Helper()
	for i := range n {
		if _, err := r.Authenticate(t.Context(), name, wrong); code(t, err) != oauth.InvalidCredentials {
			t.Fatalf("attempt %d: got %v, want invalid_credentials", i+1, err)
		}
	}
}

// refused demands that not even the right password is looked at, and returns the wait.
func (r *replica) refused(t *testing.T, name string) time.Duration {
	t.Helper()
	r.evaluated()
	_, err := r.Authenticate(t.Context(), name, right)
	if code(t, err) != oauth.TooManyAttempts || r.evaluated() != 0 {
		t.Fatalf("got %v, want too_many_attempts without a hash", err)
	}
	refusal, _ := errors.AsType[*oauth.Error](err)
	return refusal.RetryAfter
}

// S1-21, M-23: guessing becomes slow.
func TestDelaysGrow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alice", "nobody"} { // known and unknown alike
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			r := newReplica(t, pool)
			r.create(t, "alice")
			now := noon
			dbtest.StopClock(t, pool, now)

			r.fail(t, name, 5)

			for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
				wait := r.refused(t, name)
				if wait != time.Duration(want)*time.Second {
					t.Fatalf("wait %v, want %d s", wait, want)
				}
				dbtest.StopClock(t, pool, now.Add(wait-time.Second))
				if r.refused(t, name) != time.Second {
					t.Fatal("let through a second too early")
				}
				now = now.Add(wait)
				dbtest.StopClock(t, pool, now)
				r.fail(t, name, 1)
			}
		})
	}
}

// An attempt that is refused neither counts nor makes the wait longer: whoever owns the
// account gets in as soon as the wait is over.
// B-11.
func TestOwnerGetsInAfterTheWait(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)
	r.fail(t, "alice", 5)
	for range 20 {
		r.refused(t, "alice")
	}

	dbtest.StopClock(t, pool, noon.Add(time.Second))
	auth, err := r.Authenticate(t.Context(), "alice", right)
	if err != nil {
		t.Fatal(err)
	}
	if err := grant(t, pool, auth); err != nil {
		t.Fatal(err)
	}

	r.fail(t, "alice", 5) // all free again
}

// Only the grant clears, and only of its own account: neither a right password alone nor
// a sign-in to the attacker's own account buys more guesses.
// B-13, of an account.
func TestOnlyTheAccountsOwnGrantClears(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	r.create(t, "mallory")
	dbtest.StopClock(t, pool, noon)

	r.fail(t, "alice", 4)
	auth, err := r.Authenticate(t.Context(), "mallory", right)
	if err != nil {
		t.Fatal(err)
	}
	if err := grant(t, pool, auth); err != nil {
		t.Fatal(err)
	}
	r.fail(t, "alice", 1)

	r.refused(t, "alice")
}

// B-07: one count for an account, however its name is written.
func TestSpellingsOfANameShareOneCount(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "admin")
	dbtest.StopClock(t, pool, noon)

	for _, name := range []string{"admin", "ADMIN", "admin ", "ａｄｍｉｎ", "\tAdmin"} {
		r.fail(t, name, 1)
	}

	r.refused(t, "aDmIn")
}

// parallel guesses have the right password among them. It returns how many got in.
func (r *replica) guess(t *testing.T, n int) (successes int) {
	t.Helper()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for i := range n {
		wg.Go(func() {
			password := right
			if i != n/2 {
				password = fmt.Sprintf("%s %d", wrong, i)
			}
			_, err := r.Authenticate(t.Context(), "alice", password)
			mu.Lock()
			defer mu.Unlock()
			switch code(t, err) {
			case "":
				successes++
			case oauth.InvalidCredentials, oauth.TooManyAttempts, oauth.TemporarilyUnavailable:
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return successes
}

// B-08: an attempt is reserved before it is verified.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)

	successes := r.guess(t, 200)

	if n := r.evaluated(); n > 5 || successes > 1 {
		t.Errorf("%d hashes evaluated, %d got in, want at most 5 and 1", n, successes)
	}
}

// B-09.
func TestReplicasShareOneCount(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	replicas := []*replica{newReplica(t, pool), newReplica(t, secondPool(t, pool)), newReplica(t, secondPool(t, pool))}
	replicas[0].create(t, "alice")
	dbtest.StopClock(t, pool, noon)

	var wg sync.WaitGroup
	for _, r := range replicas {
		wg.Go(func() { r.guess(t, 50) })
	}
	wg.Wait()

	if n := replicas[0].evaluated() + replicas[1].evaluated() + replicas[2].evaluated(); n > 5 {
		t.Errorf("%d hashes evaluated by three replicas, want at most 5", n)
	}
	newReplica(t, pool).refused(t, "alice") // after a restart
}

func secondPool(t *testing.T, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	second, _ := tracedPool(t, pool)
	return second
}

func TestCountsAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)
	r.fail(t, "alice", 4)

	dbtest.StopClock(t, pool, noon.Add(23*time.Hour))
	r.fail(t, "alice", 1)
	r.refused(t, "alice")
	dbtest.StopClock(t, pool, noon.Add(48*time.Hour))
	r.fail(t, "alice", 5)

	r.refused(t, "alice")
}

// A database whose clock is set back, as after a fail-over, locks nobody out.
func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)
	r.fail(t, "alice", 5)

	dbtest.StopClock(t, pool, noon.Add(-24*time.Hour))

	if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
		t.Error(err)
	}
}

func TestDeleteStaleAttempts(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	dbtest.StopClock(t, pool, noon)
	for i := range 5 {
		r.fail(t, fmt.Sprintf("old%d", i), 1)
	}
	dbtest.StopClock(t, pool, noon.Add(2*time.Hour))
	r.fail(t, "new", 1)
	dbtest.StopClock(t, pool, noon.Add(25*time.Hour))

	var deleted []int64
	for range 3 {
		batch, err := r.db.DeleteStaleAttempts(t.Context(), time.Time{}, 3)
		if err != nil {
			t.Fatal(err)
		}
		deleted = append(deleted, batch.N)
	}

	if fmt.Sprint(deleted) != "[3 2 0]" {
		t.Errorf("deleted %v, want [3 2 0]", deleted)
	}
	var left int
	if err := pool.QueryRow(t.Context(), `select count(*) from authd.login_attempts`).Scan(&left); err != nil || left != 1 {
		t.Errorf("%d counts left (%v), want the new one", left, err)
	}
}
