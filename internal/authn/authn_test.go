package authn

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/argon2id"
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
		t.Fatalf("got %v, want a refusal", err)
	}
	return refusal.Code
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	user := r.create(t, "Alice")

	auth, err := r.Authenticate(t.Context(), "alice", right)
	if err != nil {
		t.Fatal(err)
	}

	if auth.Subject != user.Subject || auth.Epoch != 0 || auth.Time.IsZero() || len(auth.Account) != 32 {
		t.Errorf("got %+v, want subject %s, epoch 0, a time and an account", auth, user.Subject)
	}
}
