package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func config(t *testing.T) *pgxpool.Config {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestConfigureRefusesWhatBreaksTheCommitRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		set  func(*pgxpool.Config)
		ok   bool
	}{
		{"the defaults of pgx", func(*pgxpool.Config) {}, true},
		{"the simple protocol", func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		}, false},
		{"a mode without descriptions", func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		}, false},
		{"the mode for transaction-pooling proxies, S-09", func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}, true},
		{"a handler under which a cancelled commit is a success, L7", func(c *pgxpool.Config) {
			c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
				return &pgconn.CancelRequestContextWatcherHandler{Conn: conn}
			}
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			tt.set(cfg)

			if err := db.Configure(cfg); (err == nil) != tt.ok {
				t.Errorf("Configure: %v", err)
			}
			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			if err := db.CheckPool(t.Context(), pool); (err == nil) != tt.ok {
				t.Errorf("CheckPool: %v", err)
			}
		})
	}
}

// The host hears its notices as before, and nothing of ours.
func TestConfigureChainsTheHostsHook(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	var heard []string
	cfg.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { heard = append(heard, n.Message) }
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := db.CheckPool(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `do $$ begin raise notice 'hello'; end $$`); err != nil {
		t.Fatal(err)
	}

	if len(heard) != 1 || heard[0] != "hello" {
		t.Errorf("the host heard %q, want its own notice alone", heard)
	}
}

// L5: a commit whose wait for the standby was cancelled comes with a warning and no error.
// The warning is played here by the hook that hears it; the whole scene, with a standby,
// is the fail-over test's.
func TestUnconfirmedCommitIsNoSuccess(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	hook := cfg.ConnConfig.OnNotice
	cfg.ConnConfig.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.Message == "no standby" {
			n.Routine = "SyncRepWaitForLSN"
		}
		hook(conn, n)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = pool.Exec(t.Context(), `
create function public.warn() returns trigger language plpgsql as $$ begin raise warning 'no standby'; return null; end $$;
create trigger warn after insert or update on authd.subjects for each row execute function public.warn();`)
	if err != nil {
		t.Fatal(err)
	}
	d := db.New(pool)

	_, err = d.EndSubject(t.Context(), "usr_ada")
	if !errors.Is(err, db.ErrNotDurable) || !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("got %v, want ErrNotDurable, which is an ErrUnavailable", err)
	}
	newClient(t, d, "shop")
	if err := d.EnableClient(t.Context(), "shop"); err != nil {
		t.Errorf("the next write on the same connection fails too: %v", err)
	}
}

// A client that goes away does not abort a write.
func TestWriteOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	r, err := d.BeginRotation(t.Context(), familyID, "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := r.Step(ctx, "leaf-1", "key-1", time.Hour, oauth.Device{}); err != nil {
		t.Fatal(err)
	}
	var generation int
	if err := pool.QueryRow(t.Context(), `select generation from authd.token_families`).Scan(&generation); err != nil || generation != 1 {
		t.Errorf("generation %d, %v; want 1", generation, err)
	}
}

// S-01: whatever keeps storage from answering is one kind of error.
func TestOutagesAreUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault string
	}{
		{"read only, 25006", `alter database %I set default_transaction_read_only = on`},
		{"a statement that is cancelled, 57014", `alter database %I set statement_timeout = 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool, d := setup(t)
			_, err := pool.Exec(t.Context(), `do $$ begin execute format($f$`+tt.fault+`$f$, current_database()); end $$`)
			if err != nil {
				t.Fatal(err)
			}
			if tt.fault[len(tt.fault)-1] == '1' { // something to be cancelled in
				slow := `create or replace function authd.clock() returns timestamptz language plpgsql volatile as
					$$ begin perform pg_sleep(1); return clock_timestamp(); end $$`
				if _, err := pool.Exec(t.Context(), slow); err != nil {
					t.Fatal(err)
				}
			}
			pool.Reset()

			_, err = d.EndSubject(t.Context(), "usr_ada")

			if !errors.Is(err, db.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		})
	}
}

func TestNoServerIsUnavailable(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.ConnConfig.Host, cfg.ConnConfig.Port = t.TempDir(), 1 // nobody listens there
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	_, _, err = db.New(pool).Client(t.Context(), "shop")

	if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, db.ErrNotFound) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

// A family that was found dead is told of as dead only once that is durable: the commit
// that ended it may have been seen and not be on the standby.
func TestConfirmIsACommit(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	d := db.New(pool)
	newClient(t, d, "shop")
	if _, _, err := d.InsertFamily(t.Context(), family(familyID)); err != nil {
		t.Fatal(err)
	}
	status := func() (xid string) {
		t.Helper()
		// Of a transaction that was rolled back it says aborted, and null of one that wrote nothing.
		err := pool.QueryRow(t.Context(), `select coalesce(pg_xact_status((xmax::text)::xid8), 'none') from authd.token_families where id = $1`, familyID).Scan(&xid)
		if err != nil {
			t.Fatal(err)
		}
		return xid
	}
	for _, tt := range []struct {
		name string
		end  func(*db.Rotation) error
		want string
	}{
		{"rolled back", func(r *db.Rotation) error { r.Rollback(t.Context()); return nil }, "aborted"},
		{"confirmed", func(r *db.Rotation) error { return r.Confirm(t.Context()) }, "committed"},
	} {
		r, err := d.BeginRotation(t.Context(), familyID, "shop", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.end(r); err != nil {
			t.Fatal(err)
		}
		if got := status(); got != tt.want {
			t.Errorf("%s: the transaction that held the lock is %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The second call for what has ended already changes nothing and is a commit all the same:
// the first may have been seen and not be on the standby.
func TestRevokingAgainIsACommit(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	d := db.New(pool)
	newClient(t, d, "shop")
	if _, _, err := d.InsertFamily(t.Context(), family(familyID)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, locker string
		revoke       func() (bool, error)
	}{
		{"a family", `select xmax::text from authd.token_families`, func() (bool, error) {
			rev, err := d.RevokeFamily(t.Context(), familyID, "shop", "logout")
			return rev.Ended, err
		}},
		{"an access token", `select xmax::text from authd.revoked_tokens`, func() (bool, error) {
			return d.RevokeToken(t.Context(), "jti", "shop", "api", time.Now().Add(time.Minute))
		}},
	} {
		var lockers []string
		for _, first := range []bool{true, false} {
			ended, err := tt.revoke()
			if err != nil || ended != first {
				t.Errorf("%s: ended %v, %v, want %v", tt.name, ended, err, first)
			}
			var locker string
			if err := pool.QueryRow(t.Context(), tt.locker).Scan(&locker); err != nil {
				t.Fatal(err)
			}
			lockers = append(lockers, locker)
		}
		if lockers[0] == lockers[1] {
			t.Errorf("%s: the second call took no lock, so that its commit waits for nothing", tt.name)
		}
	}
}
