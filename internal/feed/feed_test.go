package feed_test

import (
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
