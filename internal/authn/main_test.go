package authn

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	right = "correct horse battery staple"
	wrong = "incorrect horse battery staple"
)

// cheap parameters leave the machine to the other tests.
var cheap = argon2id.Params{Memory: 16, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// replica is a service and the number of hashes that it has evaluated.
type replica struct {
	*Service
	hashes atomic.Int64
}

func newReplica(t *testing.T, pool *pgxpool.Pool) *replica {
	t.Helper()
	return newReplicaWith(pool, cheap, slog.New(slog.DiscardHandler))
}

func newReplicaWith(pool *pgxpool.Pool, params argon2id.Params, log *slog.Logger) *replica {
	r := &replica{Service: newService(Config{DB: db.New(pool), Logger: log}, params)}
	r.onHash = func() { r.hashes.Add(1) }
	return r
}

// evaluated returns the hashes since the last call.
func (r *replica) evaluated() int64 { return r.hashes.Swap(0) }

func (r *replica) create(t *testing.T, name string) oauth.User {
	t.Helper()
	u, err := r.CreateUser(t.Context(), NewUser{Username: name, Password: right})
	if err != nil {
		t.Fatal(err)
	}
	r.evaluated()
	return u
}

// code is the code of a refusal, "" for success.
func code(t *testing.T, err error) oauth.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Errorf("got %v, want a refusal", err)
		return "no refusal"
	}
	return refusal.Code
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// grant begins a family, as what follows a sign-in does.
func grant(t *testing.T, pool *pgxpool.Pool, auth oauth.Authentication) error {
	t.Helper()
	exec(t, pool, `insert into authd.clients (client_id, auth_method, grant_types) values ('shop', 'none', '{refresh_token}')
		on conflict do nothing`)
	id, err := oauth.NewFamilyID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = db.New(pool).InsertFamily(t.Context(), db.NewFamily{
		ID: id, ClientID: "shop", Subject: auth.Subject, AuthTime: auth.Time, AMR: auth.AMR, LeafJTI: id, LeafKID: "kid",
		LeafTTL: time.Hour, FamilyTTL: 2 * time.Hour, UserEpoch: auth.Epoch, Account: auth.Account,
	})
	return err
}

// roundTrips counts statements and batches on the pools that it traces.
type roundTrips struct{ n atomic.Int64 }

func (c *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (*roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// tracedPool is a second pool on the database of pool.
func tracedPool(t *testing.T, pool *pgxpool.Pool) (*pgxpool.Pool, *roundTrips) {
	t.Helper()
	cfg, count := pool.Config(), new(roundTrips)
	cfg.ConnConfig.Tracer = count
	traced, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traced.Close)
	return traced, count
}
