package feed_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/feed"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const issuer = "https://as.example"

// newFeed is the feed of a replica over pool.
func newFeed(t *testing.T, pool *pgxpool.Pool) *feed.Feed {
	t.Helper()
	f := feed.New(feed.Config{Source: db.New(pool), Issuer: issuer, Life: time.Hour})
	t.Cleanup(f.Close)
	return f
}

func since(t *testing.T, f *feed.Feed, cursor string, audiences ...string) feed.Page {
	t.Helper()
	page, err := f.Since(t.Context(), cursor, audiences, 0)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// ids is what a page says, in its order.
func ids(p feed.Page) []string {
	var out []string
	for _, e := range p.Entries {
		out = append(out, e.Kind+" "+e.ID)
	}
	return out
}

func revoke(t *testing.T, pool *pgxpool.Pool, jti, audience string) {
	t.Helper()
	if _, err := db.New(pool).RevokeToken(t.Context(), jti, "shop", audience, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
}

func TestReadersFollowByCursor(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	f := newFeed(t, pool)
	revoke(t, pool, "one", "https://api.example")

	first := since(t, f, "", "https://api.example")
	revoke(t, pool, "two", "https://api.example")
	revoke(t, pool, "three", "https://other.example")
	second := since(t, f, first.Next, "https://api.example")
	third := since(t, f, second.Next, "https://api.example")

	for i, tt := range []struct {
		got  feed.Page
		want []string
	}{{first, []string{"jti one"}}, {second, []string{"jti two"}}, {third, nil}} {
		if diff := cmp.Diff(tt.want, ids(tt.got)); diff != "" || tt.got.Reset {
			t.Errorf("page %d (reset %v): %s", i+1, tt.got.Reset, diff)
		}
	}
}

// A transaction that takes its number early and commits late is news when it commits.
func TestLateCommitsAreNotMissed(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	f, other := newFeed(t, pool), newFeed(t, pool)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.New(pool).In(tx).RevokeToken(t.Context(), "late", "shop", "https://api.example", time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	revoke(t, pool, "early", "https://api.example")

	before := since(t, f, "", "https://api.example")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]string{"jti early"}, ids(before)); diff != "" {
		t.Error(diff)
	}
	for _, replica := range []*feed.Feed{f, other} { // a replica that has read nothing yet has the same
		if diff := cmp.Diff([]string{"jti late"}, ids(since(t, replica, before.Next, "https://api.example"))); diff != "" {
			t.Error(diff)
		}
	}
}

// sid and jti entries go to the resource servers of the token's audience, the others to
// all.
func TestAudiences(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`insert into authd.clients (client_id, auth_method, grant_types, audience) values
		('shop', 'none', '{refresh_token}', '{https://api.example,https://other.example}'), ('bare', 'none', '{refresh_token}', '{}')`)
	for _, f := range []struct{ id, client, resource string }{
		{"10000000-0000-4000-8000-000000000000", "shop", "https://api.example"},
		{"20000000-0000-4000-8000-000000000000", "shop", ""},
		{"30000000-0000-4000-8000-000000000000", "bare", ""},
	} {
		exec(`insert into authd.token_families (id, client_id, subject, scope, resource, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp, absolute_exp, user_epoch, client_epoch)
			values ($1, $2, 'ada', '{}', $3, now(), 'j', 'k', now(), now() + interval '1 day', now() + interval '1 day', 0, 0)`, f.id, f.client, f.resource)
	}
	d, f := db.New(pool), newFeed(t, pool)
	start := since(t, f, "", "https://api.example").Next
	for _, id := range []string{"10000000-0000-4000-8000-000000000000", "20000000-0000-4000-8000-000000000000", "30000000-0000-4000-8000-000000000000"} {
		if _, err := d.RevokeFamily(t.Context(), id, "", "revoked_by_operator"); err != nil {
			t.Fatal(err)
		}
	}
	revoke(t, pool, "one", "https://api.example")
	if _, err := d.EndSubject(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if err := d.EndClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	exec(`insert into authd.signing_keys (kid, ring, seq, alg, public_jwk, announced_at, rotate_after, signs_from, signs_until, published_until) values
		('a1', 'access', 1, 'RS256', '{}', now(), now(), now(), now(), now() + interval '1 hour'),
		('r1', 'refresh', 1, 'RS256', '{}', now(), now(), now(), now(), now() + interval '1 hour')`)
	for _, kid := range []string{"a1", "r1"} {
		if _, err := d.RevokeRetiredKey(t.Context(), kid); err != nil {
			t.Fatal(err)
		}
	}

	everybody := []string{"client_id shop", "kid a1", "sub ada"}
	for _, tt := range []struct {
		name      string
		audiences []string
		want      []string
	}{
		{"the resource of the grant, else each audience of its client", []string{"https://api.example"}, []string{
			"jti one", "sid 10000000-0000-4000-8000-000000000000", "sid 20000000-0000-4000-8000-000000000000",
		}},
		{"another audience of the client", []string{"https://other.example"}, []string{"sid 20000000-0000-4000-8000-000000000000"}},
		{"the issuer, where a client has none", []string{issuer}, []string{"sid 30000000-0000-4000-8000-000000000000"}},
		{"a resource server without any", nil, nil},
	} {
		got := ids(since(t, f, start, tt.audiences...))
		slices.Sort(got)
		want := slices.Sorted(slices.Values(slices.Concat(tt.want, everybody)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Entries end with the tokens that they name, in the database and in memory.
func TestEntriesEnd(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	var ahead atomic.Int64
	f := feed.New(feed.Config{
		Source: db.New(pool), Issuer: issuer, Life: time.Hour,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	t.Cleanup(f.Close)
	revoke(t, pool, "short", "https://api.example") // for a minute
	if _, err := db.New(pool).EndSubject(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if got := len(since(t, f, "", "https://api.example").Entries); got != 2 {
		t.Fatalf("%d entries, want 2", got)
	}
	for _, tt := range []struct {
		after time.Duration
		want  []string
	}{
		{2 * time.Minute, []string{"jti short", "sub ada"}}, // its minute and two more
		{4 * time.Minute, []string{"sub ada"}},
		{61 * time.Minute, nil},
	} {
		ahead.Store(int64(tt.after))
		dbtest.SetClock(t, pool, tt.after)
		for _, replica := range []*feed.Feed{f, newFeed(t, pool)} {
			if diff := cmp.Diff(tt.want, ids(since(t, replica, "", "https://api.example"))); diff != "" {
				t.Errorf("after %s: %s", tt.after, diff)
			}
		}
	}
}

func TestForeignCursors(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	f := newFeed(t, pool)
	revoke(t, pool, "one", "https://api.example")
	here := since(t, f, "", "https://api.example").Next
	elsewhere := since(t, newFeed(t, dbtest.New(t)), "").Next
	for name, cursor := range map[string]string{
		"garbage": "x", "of another database": elsewhere, "cut off": here[:len(here)-5], "padded": here + "=",
		"without a snapshot":        base64.RawURLEncoding.EncodeToString([]byte("origin")),
		"with a damaged snapshot":   base64.RawURLEncoding.EncodeToString([]byte("origin~1:2:3:4")),
		"longer than any of ours":   strings.Repeat("A", 9<<10),
		"with a snapshot backwards": base64.RawURLEncoding.EncodeToString([]byte("origin~9:2:")),
	} {
		page := since(t, f, cursor, "https://api.example")
		if !page.Reset || len(page.Entries) != 1 || page.Next == cursor {
			t.Errorf("%s: reset %v with %d entries, want everything", name, page.Reset, len(page.Entries))
		}
	}
	if page := since(t, f, here, "https://api.example"); page.Reset || len(page.Entries) != 0 {
		t.Errorf("our own cursor: %+v", page)
	}
}

// A restored or promoted database: cursors of before mean nothing, and what is in memory
// neither.
func TestAnotherIncarnation(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	f := newFeed(t, pool)
	revoke(t, pool, "lost", "https://api.example")
	before := since(t, f, "", "https://api.example")
	for _, sql := range []string{`delete from authd.revoked_tokens`, `insert into authd.incarnations default values`} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	revoke(t, pool, "new", "https://api.example")

	page := since(t, f, before.Next, "https://api.example")

	if diff := cmp.Diff([]string{"jti new"}, ids(page)); diff != "" || !page.Reset {
		t.Errorf("reset %v: %s", page.Reset, diff)
	}
}
