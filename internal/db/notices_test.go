package db_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

// rpExchange is newCode, with the client to be told of the end of sessions.
func rpExchange(t *testing.T) (pool *pgxpool.Pool, d *db.DB, code, session oauth.Secret) {
	t.Helper()
	pool, d, code, session = newCode(t)
	_, err := pool.Exec(t.Context(), `update authd.clients set backchannel_logout_uri = 'https://shop.example/ended'`)
	if err != nil {
		t.Fatal(err)
	}
	return pool, d, code, session
}

func begin(t *testing.T, d *db.DB, code oauth.Secret) *db.Exchange {
	t.Helper()
	x, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func openIDFamily(x *db.Exchange) db.NewFamily {
	f := adasFamily()
	f.Scopes, f.SessionID = oauth.Scopes{"openid"}, x.SessionID
	return f
}

// tookPart is a session in which client shop got an ID token.
func tookPart(t *testing.T) (pool *pgxpool.Pool, d *db.DB, session oauth.Secret) {
	t.Helper()
	pool, d, code, session := rpExchange(t)
	x := begin(t, d, code)
	if _, _, err := x.Redeem(t.Context(), code.SHA256, openIDFamily(x)); err != nil {
		t.Fatal(err)
	}
	return pool, d, session
}

func count(t *testing.T, pool *pgxpool.Pool, from string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select count(*) from authd.`+from).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// OIDC Back-Channel Logout §2.1, §2.3: whatever ends a session tells the clients of it, in one
// commit; what does not end it tells nobody.
func TestEndsOfSessionsAreNoticed(t *testing.T) {
	t.Parallel()
	type fact struct{ notices, clients int } // that are queued, and of the session
	ended, lives, expired := fact{1, 0}, fact{0, 1}, fact{0, 0}
	replace := func(subject string, epoch int64) func(*testing.T, *db.DB, *pgxpool.Pool, []byte) error {
		return func(t *testing.T, d *db.DB, _ *pgxpool.Pool, old []byte) error {
			next, err := oauth.NewSecret(rand.Reader)
			if err != nil {
				return err
			}
			_, err = d.InsertSession(t.Context(), db.NewSession{
				SHA256: next.SHA256, Username: subject, Replaces: old,
				Authentication: oauth.Authentication{Subject: subject, Epoch: epoch, Time: time.Now()},
			})
			if epoch != 0 && errors.Is(err, db.ErrNotFound) {
				err = nil
			}
			return err
		}
	}
	tests := []struct {
		name string
		do   func(t *testing.T, d *db.DB, pool *pgxpool.Pool, session []byte) error
		want fact
	}{
		{"nothing happens", func(*testing.T, *db.DB, *pgxpool.Pool, []byte) error { return nil }, lives},
		{"the session is used", func(t *testing.T, d *db.DB, pool *pgxpool.Pool, s []byte) error {
			dbtest.SetClock(t, pool, time.Hour)
			_, err := d.UseSession(t.Context(), s)
			return err
		}, lives},
		{"it is ended", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, s []byte) error {
			_, err := d.EndSession(t.Context(), s)
			return err
		}, ended},
		{"its person ends it", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, s []byte) error {
			_, err := d.EndSessionOf(t.Context(), "ada", s)
			return err
		}, ended},
		{"its person ends all others", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, s []byte) error {
			_, err := d.EndOtherSessions(t.Context(), "ada", s)
			return err
		}, lives},
		{"its person ends all but another", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			_, err := d.EndOtherSessions(t.Context(), "ada", make([]byte, 32))
			return err
		}, ended},
		{"its person signs out", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, s []byte) error {
			_, err := d.SignOut(t.Context(), s, "", "", "logout")
			return err
		}, ended},
		{"its person signs in again, and the cookie changes", replace("ada", 0), lives},
		{"somebody else signs in", replace("bob", 0), ended},
		{"a sign-in that is refused has ended it", replace("ada", 7), ended},
		{"its person is ended", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			_, err := d.EndSubject(t.Context(), "ada")
			return err
		}, ended},
		{"its person is ended twice", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			_, first := d.EndSubject(t.Context(), "ada")
			_, second := d.EndSubject(t.Context(), "ada")
			return errors.Join(first, second)
		}, ended},
		{"its person is disabled", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			return d.DisableSubject(t.Context(), "ada")
		}, ended},
		{"its person is enabled", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			return d.EnableSubject(t.Context(), "ada")
		}, lives},
		{"somebody else is ended", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			_, err := d.EndSubject(t.Context(), "bob")
			return err
		}, lives},
		{"its person has a new password", func(t *testing.T, d *db.DB, pool *pgxpool.Pool, _ []byte) error {
			// Users of the built-in store have a prefix that this one's name lacks.
			_, err := pool.Exec(t.Context(), `alter table authd.users drop constraint users_sub_prefixed`)
			if err != nil {
				return err
			}
			if _, err := d.InsertUser(t.Context(), oauth.User{Subject: "ada", Username: "ada"}, "ada", "old"); err != nil {
				return err
			}
			_, err = d.ChangePassword(t.Context(), db.PasswordChange{Key: "ada", Account: make([]byte, 32), PasswordHash: "new"})
			return err
		}, ended},
		{"it is deleted by hand", func(t *testing.T, _ *db.DB, pool *pgxpool.Pool, _ []byte) error {
			_, err := pool.Exec(t.Context(), `delete from authd.sessions`)
			return err
		}, ended},
		{"it expires: nobody ended it", func(t *testing.T, d *db.DB, pool *pgxpool.Pool, _ []byte) error {
			dbtest.SetClock(t, pool, 26*time.Hour)
			_, err := d.DeleteExpiredSessions(t.Context(), time.Time{}, 100)
			return err
		}, expired},
		{"the host takes the end of its person back", func(t *testing.T, d *db.DB, pool *pgxpool.Pool, _ []byte) error {
			tx, err := pool.Begin(t.Context())
			if err != nil {
				return err
			}
			_, err = d.In(tx).EndSubject(t.Context(), "ada")
			return errors.Join(err, tx.Rollback(t.Context()))
		}, lives},
		{"the client is deleted, and nobody else is to be told", func(t *testing.T, d *db.DB, _ *pgxpool.Pool, _ []byte) error {
			return d.DeleteClient(t.Context(), "shop")
		}, expired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool, d, session := tookPart(t)

			if err := tt.do(t, d, pool, session.SHA256); err != nil {
				t.Fatal(err)
			}

			if got := (fact{count(t, pool, "logout_notices"), count(t, pool, "session_clients")}); got != tt.want {
				t.Errorf("notices and clients of the session: got %v, want %v", got, tt.want)
			}
		})
	}
}

// Who is told: clients that got an ID token and said where. Nothing is kept of the others.
func TestWhoTakesPart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*db.NewFamily)
		uri    string
		want   int
	}{
		{"openid", func(*db.NewFamily) {}, "https://shop.example/ended", 1},
		{"no openid, and so no ID token", func(f *db.NewFamily) { f.Scopes = oauth.Scopes{"read"} }, "https://shop.example/ended", 0},
		{"no URI", func(*db.NewFamily) {}, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool, d, code, _ := newCode(t)
			if _, err := pool.Exec(t.Context(), `update authd.clients set backchannel_logout_uri = $1`, tt.uri); err != nil {
				t.Fatal(err)
			}
			x := begin(t, d, code)
			f := openIDFamily(x)
			tt.change(&f)

			if _, _, err := x.Redeem(t.Context(), code.SHA256, f); err != nil {
				t.Fatal(err)
			}

			if got := count(t, pool, "session_clients"); got != tt.want {
				t.Errorf("%d rows, want %d", got, tt.want)
			}
		})
	}
}

// A session that ends while a code of it is exchanged ends after the exchange, and its client
// is told; so is it when the whole person is ended. F-43: whatever the default isolation is.
func TestNoticeOfAnExchangeThatWasUnderWay(t *testing.T) {
	t.Parallel()
	ends := map[string]func(ctx context.Context, d *db.DB, session []byte) error{
		"its session ends": func(ctx context.Context, d *db.DB, s []byte) error {
			_, err := d.EndSession(ctx, s)
			return err
		},
		"its person ends it": func(ctx context.Context, d *db.DB, s []byte) error {
			_, err := d.EndSessionOf(ctx, "ada", s)
			return err
		},
		"its person is disabled": func(ctx context.Context, d *db.DB, _ []byte) error { return d.DisableSubject(ctx, "ada") },
		"its person is ended": func(ctx context.Context, d *db.DB, _ []byte) error {
			_, err := d.EndSubject(ctx, "ada")
			return err
		},
		"its person signs out": func(ctx context.Context, d *db.DB, s []byte) error {
			_, err := d.SignOut(ctx, s, "", "", "logout")
			return err
		},
	}
	for _, isolation := range []string{"read committed", "serializable"} {
		for name, end := range ends {
			t.Run(name+", "+isolation, func(t *testing.T) {
				t.Parallel()
				pool, d, code, session := rpExchange(t)
				isolate(t, pool, isolation)
				x := begin(t, d, code)
				ended := make(chan error, 1)
				go func() { ended <- end(t.Context(), d, session.SHA256) }()
				dbtest.WaitForLocks(t, pool, 1)

				_, _, errRedeem := x.Redeem(t.Context(), code.SHA256, openIDFamily(x))

				if err := errors.Join(<-ended, errRedeem); err != nil {
					t.Fatal(err)
				}
				if n, left := count(t, pool, "logout_notices"), count(t, pool, "session_clients"); n != 1 || left != 0 {
					t.Errorf("%d notices, %d clients left in the session", n, left)
				}
			})
		}
	}
}

// isolate sets the database's default isolation.
func isolate(t *testing.T, pool *pgxpool.Pool, level string) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `do $$ begin execute format(
		'alter database %I set default_transaction_isolation = "`+level+`"', current_database()); end $$`)
	if err != nil {
		t.Fatal(err)
	}
	pool.Reset()
}

// A notice belongs to one server at a time: while the claim of another is not committed, it is
// skipped and not waited for; then for as long as the claim holds; and what the first says
// after that does not count.
func TestClaimNotice(t *testing.T) {
	t.Parallel()
	pool, d, session := tookPart(t)
	if _, err := d.EndSession(t.Context(), session.SHA256); err != nil {
		t.Fatal(err)
	}
	if ids, err := d.ClientsWithNotices(t.Context()); err != nil || cmp.Diff([]string{"shop"}, ids) != "" {
		t.Fatalf("clients %v, %v", ids, err)
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := d.In(tx).ClaimNotice(t.Context(), "shop")
	if err != nil || first.URI != "https://shop.example/ended" || first.Subject != "ada" || first.FamilyID != firstFamily || first.Attempts != 1 {
		t.Fatalf("claimed %+v, %v", first, err)
	}

	if n, err := d.ClaimNotice(t.Context(), "shop"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("beside an open claim: %+v, %v", n, err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := d.ClaimNotice(t.Context(), "shop"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("beside a claim: %+v, %v", n, err)
	}
	if ids, err := d.ClientsWithNotices(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("clients %v, %v, want none", ids, err)
	}
	dbtest.SetClock(t, pool, 31*time.Second)
	second, err := d.ClaimNotice(t.Context(), "shop")
	if err != nil || second.ID != first.ID || second.Attempts != 2 {
		t.Fatalf("claimed again %+v, %v", second, err)
	}
	if err := d.RemoveNotice(t.Context(), first); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("removed by the first: %v", err)
	}
	if err := d.PostponeNotice(t.Context(), first, 0); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("postponed by the first: %v", err)
	}
	if err := d.PostponeNotice(t.Context(), second, time.Minute); err != nil {
		t.Fatal(err)
	}
	dbtest.SetClock(t, pool, 90*time.Second)
	if n, err := d.ClaimNotice(t.Context(), "shop"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("before its time: %+v, %v", n, err)
	}
	dbtest.SetClock(t, pool, 92*time.Second)
	third, err := d.ClaimNotice(t.Context(), "shop")
	if err != nil || third.Attempts != 3 {
		t.Fatalf("claimed a third time %+v, %v", third, err)
	}
	if err := d.RemoveNotice(t.Context(), third); err != nil || count(t, pool, "logout_notices") != 0 {
		t.Errorf("removed: %v", err)
	}
}

// However many notices a client has, the others are found beside it.
func TestClientsWithNotices(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	d := db.New(pool)
	if ids, err := d.ClientsWithNotices(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("of none: %v, %v", ids, err)
	}
	_, err := pool.Exec(t.Context(), `
insert into authd.logout_notices (client_id, subject, family_id, next_at)
select c, 'ada', gen_random_uuid(), authd.clock() + later
from generate_series(1, 200), (values ('blog', interval '0'), ('app', '1 hour'), ('shop', '0')) v (c, later)`)
	if err != nil {
		t.Fatal(err)
	}
	dbtest.SetClock(t, pool, time.Second)

	ids, err := d.ClientsWithNotices(t.Context())

	if err != nil || cmp.Diff([]string{"blog", "shop"}, ids) != "" {
		t.Errorf("got %v, %v", ids, err)
	}
}
