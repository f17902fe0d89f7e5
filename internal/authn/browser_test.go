package authn

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

const (
	home   = "a browser that nobody else has"
	abroad = "another one"
)

// signIn signs in in a browser, to the end.
func (r *replica) signIn(t *testing.T, pool *pgxpool.Pool, browser, name string) oauth.Code {
	t.Helper()
	who, err := r.AuthenticateIn(t.Context(), browser, name, right)
	if err != nil {
		return code(t, err)
	}
	session, err := oauth.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.New(pool).InsertSession(t.Context(), db.NewSession{SHA256: session.SHA256, Username: name, Authentication: who}); err != nil {
		t.Fatal(err)
	}
	return ""
}

func (r *replica) failIn(t *testing.T, browser, name string) oauth.Code {
	t.Helper()
	_, err := r.AuthenticateIn(t.Context(), browser, name, wrong)
	return code(t, err)
}

// B-11, D-16: whoever locks somebody out on purpose does not lock them out of the browser in
// which they have signed in before; and that they sign in there buys no guesses elsewhere.
func TestKnownBrowserIsNotLockedOut(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	r.create(t, "bob")
	dbtest.StopClock(t, pool, noon)
	if got := r.signIn(t, pool, home, "alice"); got != "" {
		t.Fatal(got)
	}

	r.fail(t, "alice", 5)

	for _, browser := range []string{"", abroad} {
		if got := r.signIn(t, pool, browser, "alice"); got != oauth.TooManyAttempts {
			t.Errorf("in %q: %q", browser, got)
		}
	}
	for range 3 {
		if got := r.signIn(t, pool, home, "ALICE"); got != "" {
			t.Errorf("at home: %q", got)
		}
		r.refused(t, "alice") // elsewhere nothing is forgiven
	}
	r.fail(t, "bob", 5)
	if got := r.signIn(t, pool, home, "bob"); got != oauth.TooManyAttempts {
		t.Errorf("alice's browser knows bob: %q", got)
	}
}

// In a known browser guessing is as slow as anywhere, and does not keep its owner out elsewhere.
func TestKnownBrowserIsThrottled(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)
	if got := r.signIn(t, pool, home, "alice"); got != "" {
		t.Fatal(got)
	}
	for i := range 5 {
		if got := r.failIn(t, home, "alice"); got != oauth.InvalidCredentials {
			t.Fatalf("attempt %d: %q", i+1, got)
		}
	}

	r.evaluated()
	if got := r.signIn(t, pool, home, "alice"); got != oauth.TooManyAttempts || r.evaluated() != 0 {
		t.Errorf("a sixth attempt: %q", got)
	}
	if got := r.signIn(t, pool, abroad, "alice"); got != "" {
		t.Errorf("elsewhere: %q", got)
	}
}

// How long a browser is known.
func TestBrowserIsForgotten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fails  int
		after  time.Duration
		locked bool
	}{
		{"not after 90 days", 0, 90 * 24 * time.Hour, false},
		{"after 91 days and a bit without a sign-in", 0, 91*24*time.Hour + time.Minute, true},
		{"not in the day after a failure there", 1, 23 * time.Hour, false},
		{"a day after a failure there", 1, 25 * time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			r := newReplica(t, pool)
			r.create(t, "alice")
			dbtest.StopClock(t, pool, noon)
			if got := r.signIn(t, pool, home, "alice"); got != "" {
				t.Fatal(got)
			}
			for range tt.fails {
				r.failIn(t, home, "alice")
			}
			dbtest.StopClock(t, pool, noon.Add(tt.after))
			if _, err := r.db.DeleteStaleAttempts(t.Context(), time.Time{}, 100); err != nil {
				t.Fatal(err)
			}
			r.fail(t, "alice", 5)

			if got := r.signIn(t, pool, home, "alice"); (got == oauth.TooManyAttempts) != tt.locked {
				t.Errorf("%q, want locked out: %t", got, tt.locked)
			}
		})
	}
}

// Of 200 guesses at once in a known browser, too, five are evaluated.
func TestParallelGuessesInAKnownBrowser(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)
	if got := r.signIn(t, pool, home, "alice"); got != "" {
		t.Fatal(got)
	}
	r.evaluated()

	done := make(chan oauth.Code)
	for range 200 {
		go func() {
			_, err := r.AuthenticateIn(t.Context(), home, "alice", wrong)
			c := oauth.Code("fault")
			if refusal, ok := err.(*oauth.Error); ok {
				c = refusal.Code
			}
			done <- c
		}()
	}
	for range 200 {
		if got := <-done; got != oauth.InvalidCredentials && got != oauth.TooManyAttempts && got != oauth.TemporarilyUnavailable {
			t.Errorf("got %q", got)
		}
	}

	if n := r.evaluated(); n > 5 {
		t.Errorf("%d hashes evaluated, want at most 5", n)
	}
}
