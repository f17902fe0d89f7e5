package authd_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/keys/keystest"
)

// mountAuth adds an authorization server to a program that has a pool and a mux. kek is
// what `authd kek new` prints.
func mountAuth(ctx context.Context, pool *pgxpool.Pool, kek string, mux *http.ServeMux) (*authd.Server, error) {
	if _, err := authd.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	secret, err := authd.ParseSecret(kek)
	if err != nil {
		return nil, err
	}
	srv, err := authd.New(ctx, authd.Config{
		Issuer:            "https://auth.example.com",
		DB:                pool,
		KeyEncryptionKeys: []authd.KeyEncryptor{secret},
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/", srv.Handler())
	return srv, nil // Close it when the program ends
}

// A program with a database becomes an authorization server, and a client gets a token.
func Example_embed() {
	ctx := context.Background()
	address, drop, err := keystest.Example() // a database of yours
	if err != nil {
		log.Fatal(err)
	}
	defer drop()
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		log.Fatal(err)
	}
	if err := authd.PoolConfig(cfg); err != nil {
		log.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	mux := http.NewServeMux()
	srv, err := mountAuth(ctx, pool, keystest.KEK, mux)
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as := httptest.NewServer(mux)
	defer as.Close()

	client, secret, err := srv.CreateClient(ctx, authd.Client{ID: "orders", Scopes: []string{"read", "write"}})
	if err != nil {
		log.Fatal(err)
	}
	answer := requestToken(as, client.ID, secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}})
	fmt.Println(answer.TokenType, answer.ExpiresIn, answer.Scope)
	// Output: Bearer 600 read
}
