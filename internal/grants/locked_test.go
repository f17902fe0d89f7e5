package grants_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// overFew is a server with two connections, whose lock timeouts are counted as the database
// tells of them.
func overFew(t *testing.T, f *fixture) (server *fixture, timeouts *atomic.Int64) {
	t.Helper()
	cfg := f.pool.Config()
	cfg.MaxConns = 2
	timeouts = new(atomic.Int64)
	cfg.ConnConfig.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool {
		if err.Code == "55P03" || err.Code == "57014" {
			timeouts.Add(1)
		}
		return true
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return grantsOver(f, pool), timeouts
}

// lockWaits is how many sessions wait for a lock.
func (f *fixture) lockWaits() (n int) {
	f.t.Helper()
	err := f.pool.QueryRow(f.t.Context(), `select count(*) from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`).Scan(&n)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// hold locks the rows of a table until the test lets go, over a connection of its own.
func (f *fixture) hold(table string) (release func()) {
	f.t.Helper()
	conn, err := pgx.ConnectConfig(f.t.Context(), f.pool.Config().ConnConfig)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range []string{`begin`, `select from authd.` + table + ` for update`} {
		if _, err := conn.Exec(f.t.Context(), sql); err != nil {
			f.t.Fatal(err)
		}
	}
	return func() {
		if _, err := conn.Exec(f.t.Context(), `rollback`); err != nil {
			f.t.Error(err)
		}
	}
}

// F-12: a family whose row somebody holds takes one connection for its refreshes and one for
// its revocations, whatever their number, and others go on. Those who queue behind the first
// that gives up do not wait for the lock timeout each by themselves.
func TestLockedFamily(t *testing.T) {
	t.Parallel()
	const racers = 60
	tests := []struct {
		name string
		ask  func(*fixture, string) error
	}{
		{"refreshes", func(f *fixture, token string) error {
			_, err := f.refresh(token)
			return err
		}},
		{"revocations", func(f *fixture, token string) error {
			return f.tokens.Revoke(f.t.Context(), asPublic("app"), token, tokens.ReasonClient)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			server, timeouts := overFew(t, f)
			locked := f.login("ada").RefreshToken
			release := f.hold("token_families")
			others := f.login("bob").RefreshToken // no lock on this one
			var wg sync.WaitGroup
			for range racers {
				wg.Go(func() {
					if err := tt.ask(server, locked); !errors.Is(err, db.ErrLocked) {
						t.Errorf("got %v, want ErrLocked", err)
					}
				})
			}
			over := make(chan struct{})
			go func() { wg.Wait(); close(over) }()
			dbtest.WaitForLocks(t, f.pool, 1)
			most := 0
			for isOver := false; !isOver; {
				others = server.mustRefresh(others).RefreshToken
				most = max(most, f.lockWaits())
				select {
				case <-over:
					isOver = true
				default:
				}
			}

			if most > 1 {
				t.Errorf("%d connections waited for one family", most)
			}
			if n := timeouts.Load(); n == 0 || n > racers/4 { // one, and one for each crowd that came too late for it
				t.Errorf("the database told of %d lock timeouts to %d requests", n, racers)
			}
			release()
			if got := claims(t, f.mustRefresh(locked).RefreshToken)["gen"]; got != 1.0 {
				t.Errorf("generation %v after the lock, want 1", got)
			}
		})
	}
}

// F-12: so does a code, and an exchange of another goes on.
func TestLockedCode(t *testing.T) {
	t.Parallel()
	const racers = 60
	f := withBrowser(t)
	server, _ := overFew(t, f)
	b := f.signedIn("ada")
	locked := f.codeIn(b, nil)
	release := f.hold("authorization_codes")
	other := f.codeIn(b, nil)
	var refusals atomic.Int64
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			_, err := server.redeem(t.Context(), locked, nil)
			if !errors.Is(err, db.ErrLocked) {
				t.Errorf("got %v, want ErrLocked", err)
			}
			refusals.Add(1)
		})
	}
	dbtest.WaitForLocks(t, f.pool, 1)

	server.mustRedeem(other)
	for refusals.Load() == 0 {
		if n := f.lockWaits(); n > 1 {
			t.Errorf("%d connections wait for one code", n)
			break
		}
	}

	wg.Wait()
	release()
	f.mustRedeem(locked)
}

// F-13: hundreds present one token at once, more than may wait. There is one step, all that
// are answered get the same leaf, and the others are told to come back.
func TestStampede(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken
	const racers = 300
	leaves := make(chan string, racers)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range racers {
		wg.Go(func() {
			<-start
			r, err := f.refresh(token)
			if e, ok := errors.AsType[*oauth.Error](err); ok && e.HTTPStatus() == 429 {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			leaves <- r.RefreshToken
		})
	}
	close(start)
	wg.Wait()
	close(leaves)

	answers := make(map[string]int)
	for leaf := range leaves {
		answers[leaf]++
	}
	if len(answers) != 1 {
		t.Errorf("%d different leaves, want 1", len(answers))
	}
	for leaf, n := range answers {
		if n != 21 { // the rotation and R_max replays
			t.Errorf("%d answers, want 21", n)
		}
		if got := claims(t, f.mustRefresh(leaf).RefreshToken)["gen"]; got != 2.0 {
			t.Errorf("the leaf leads to generation %v, want 2", got)
		}
	}
}
