// Command embed is a shop that signs its own users in and issues tokens for its own API: authd in
// the same program, on the same pool.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv("LISTEN"), os.Getenv("DATABASE_URL"), os.Getenv("KEK")); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, databaseURL, kek string) error {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return err
	}
	if err := authd.PoolConfig(cfg); err != nil { // a success is told only of a durable commit
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()

	issuer := "http://" + listen // https behind a proxy, anywhere but here
	srv, err := newServer(ctx, issuer, pool, kek)
	if err != nil {
		return err
	}
	defer srv.Close()
	// The shop's own API, which verifies with the keys in memory.
	v, err := rs.New(ctx, rs.Config{Issuer: issuer, Audience: "https://api.example.com", Keys: srv})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", srv.Handler())
	mux.Handle("GET /orders", v.Required(rs.Scopes("orders:read"))(http.HandlerFunc(listOrders)))
	return serve(ctx, listen, mux)
}

func newServer(ctx context.Context, issuer string, pool *pgxpool.Pool, kek string) (*authd.Server, error) {
	if _, err := authd.Migrate(ctx, pool); err != nil { // schema "authd", and nothing else
		return nil, err
	}
	users, err := newUsers(ctx, pool)
	if err != nil {
		return nil, err
	}
	secret, err := authd.ParseSecret(kek) // seals the signing keys in the database
	if err != nil {
		return nil, err
	}
	return authd.New(ctx, authd.Config{
		Issuer: issuer, DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{secret},
		Authenticator: users, Accounts: true, // POST /account/login asks users
	})
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context()) // there is one behind Required
	fmt.Fprintf(w, "orders of %s\n", token.Subject)
}

func serve(ctx context.Context, listen string, h http.Handler) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := authd.HTTPServer(h) // with timeouts and limits
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	log.Printf("listening on %s", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped // what was under way has been answered
}
