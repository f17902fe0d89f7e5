package backchannel_test

import (
	"context"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/backchannel"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/tokens"
)

// post is what a client does with a token, which in these tests is its sub and sid.
type post func(ctx context.Context, uri, token string) (status int, err error)

func answer(status int) post {
	return func(context.Context, string, string) (int, error) { return status, nil }
}

// server is one of those that deliver the notices of a database.
type server struct {
	t      *testing.T
	hint   backchannel.Hint
	sweep  chan time.Time
	events chan backchannel.Event
	stop   func() // and wait
}

// serve starts one whose sweeps come when the test wants them.
func serve(t *testing.T, pool *pgxpool.Pool, p post) *server {
	t.Helper()
	s := &server{t: t, hint: backchannel.NewHint(), sweep: make(chan time.Time), events: make(chan backchannel.Event, 1000)}
	c := backchannel.New(backchannel.Config{
		DB: db.New(pool),
		Mint: func(_ context.Context, l tokens.Logout) (string, error) {
			return l.ClientID + " " + l.Subject + " " + l.FamilyID, nil
		},
		Post: func(ctx context.Context, uri string, form url.Values) (int, error) {
			return p(ctx, uri, form.Get("logout_token"))
		},
		OnEvent: func(_ context.Context, e backchannel.Event) { s.events <- e },
		Logger:  slog.New(slog.DiscardHandler),
	}, s.hint)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.RunBy(ctx, s.sweep); close(done) }()
	s.stop = func() { cancel(); <-done }
	t.Cleanup(s.stop)
	return s
}

// event waits for the next one.
func (s *server) event() backchannel.Event {
	s.t.Helper()
	select {
	case e := <-s.events:
		return e
	case <-s.t.Context().Done():
		s.t.Fatal("no event came")
		return nil
	}
}

// sweepUntil sweeps until there is an event: a client that has just failed may get its peace
// from the end of one sweep to the next.
func (s *server) sweepUntil() {
	for len(s.events) == 0 {
		s.sweep <- time.Now()
	}
}

func (s *server) want(e backchannel.Event) {
	s.t.Helper()
	if diff := cmp.Diff(e, s.event()); diff != "" {
		s.t.Errorf("-want +got\n%s", diff)
	}
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// register makes clients that want to be told at https://<identifier>.example/ended.
func register(t *testing.T, pool *pgxpool.Pool, clients ...string) {
	t.Helper()
	for _, id := range clients {
		exec(t, pool, `insert into authd.clients (client_id, auth_method, grant_types, backchannel_logout_uri)
			values ($1, 'none', '{}', 'https://' || $1 || '.example/ended')`, id)
	}
}

// family is a sid; n has one digit.
func family(n string) string { return "00000000-0000-4000-8000-00000000000" + n }

// notice leaves one, as the end of a session does.
func notice(t *testing.T, pool *pgxpool.Pool, client, n string) {
	t.Helper()
	exec(t, pool, `insert into authd.logout_notices (client_id, subject, family_id) values ($1, 'ada', $2)`, client, family(n))
}

func delivered(client, n string, attempts int) backchannel.Event {
	return backchannel.Delivered{ClientID: client, Subject: "ada", FamilyID: family(n), Attempts: attempts}
}

// await returns when sql, a condition, holds.
func await(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	for holds := false; !holds; {
		if err := pool.QueryRow(t.Context(), `select `+sql).Scan(&holds); err != nil {
			t.Fatal(err)
		}
	}
}

// count counts the notices for which a condition holds.
func count(t *testing.T, pool *pgxpool.Pool, condition string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select count(*) from authd.logout_notices where `+condition).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const noNotices = `not exists (select from authd.logout_notices)`
