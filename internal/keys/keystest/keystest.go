// Package keystest gives tests databases whose key rings are made already: four RSA keys
// take seconds under the race detector.
package keystest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/keys"
)

// KEK seals the rings of these databases, and nothing else.
const KEK = "a2V5c3Rlc3Qga2V5c3Rlc3Qga2V5c3Rlc3Qga2V5ISE="

// Pool returns a fresh database with both rings.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return dbtest.Prepared(t, "keys", makeRings)
}

// URL is Pool for programs under test that connect by themselves.
func URL(t testing.TB) string {
	t.Helper()
	return dbtest.PreparedURL(t, "keys", makeRings)
}

// Example is [URL] for an Example function, which has no testing.TB: who calls it drops
// the database.
func Example() (url string, drop func() error, err error) {
	return dbtest.PreparedExample("keys", makeRings)
}

// Rings opens the rings of a database from [Pool] and polls them until the test ends.
func Rings(t testing.TB, pool *pgxpool.Pool) *keys.Rings {
	t.Helper()
	rings, err := open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { rings.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return rings
}

func makeRings(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := open(ctx, pool)
	return err
}

func open(ctx context.Context, pool *pgxpool.Pool) (*keys.Rings, error) {
	kek, err := keys.ParseKEK(KEK)
	if err != nil {
		return nil, err
	}
	return keys.New(ctx, keys.Config{DB: db.New(pool), KEKs: []keys.KEK{kek}})
}
