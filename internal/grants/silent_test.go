package grants_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// hole is a way to the database in which everything may be lost without a word: connections
// stand, and nothing passes. Those that once were silent stay so.
type hole struct {
	silent atomic.Bool
	lost   atomic.Int64 // connections that fell silent
}

// pool connects through the hole.
func (h *hole) pool(t *testing.T, cfg *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := cfg.ConnConfig.DialFunc
	network, address := pgconn.NetworkAddress(cfg.ConnConfig.Host, cfg.ConnConfig.Port)
	var ways sync.WaitGroup
	ways.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			ways.Go(func() {
				server, err := dial(context.Background(), network, address)
				if err != nil {
					_ = client.Close()
					return
				}
				context.AfterFunc(t.Context(), func() { _ = client.Close() }) // the pool would wait for what is silent
				ways.Go(func() { h.pass(client, server) })
				h.pass(server, client)
			})
		}
	})
	cfg.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close(); _ = l.Close(); ways.Wait() })
	return pool
}

// pass ends when from does.
func (h *hole) pass(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 1<<12)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if h.silent.Load() {
			h.lost.Add(1)
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// F-16: connections that have fallen silent are discarded one by one, whoever meets one is told
// 503, and requests go on over new ones as soon as those can be had.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	f := setup(t)
	cfg := f.pool.Config()
	cfg.MaxConns = 3
	cfg.ConnConfig.ConnectTimeout = 500 * time.Millisecond
	var way hole
	server := grantsOver(f, way.pool(t, cfg))
	token := f.login("ada").RefreshToken
	refresh := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		r, err := server.grants.Token(ctx, asPublic("app"), oauth.Form{"grant_type": "refresh_token", "refresh_token": token}, oauth.Device{})
		if err != nil && !errors.Is(err, db.ErrUnavailable) && !errors.Is(err, oauth.Busy) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		return r.RefreshToken, err
	}
	token = server.mustRefresh(token).RefreshToken

	way.silent.Store(true)
	for way.lost.Load() < 3 {
		if _, err := refresh(); err == nil {
			t.Fatal("an answer came out of the hole")
		}
	}
	way.silent.Store(false)

	next, err := refresh()
	for err != nil {
		next, err = refresh()
	}
	if got := claims(t, next)["gen"]; got != 2.0 {
		t.Errorf("generation %v, want 2: nothing was done in between", got)
	}
}

// sliced sends and receives one byte at a time.
type sliced struct{ net.Conn }

func (s sliced) Read(b []byte) (int, error) { return s.Conn.Read(b[:min(1, len(b))]) }

func (s sliced) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// F-15: what arrives in single bytes, either way, is what was sent.
func TestSingleBytes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	cfg := f.pool.Config()
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return sliced{conn}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	server := grantsOver(f, pool)

	first := server.login("ada")
	next := server.mustRefresh(first.RefreshToken)
	again := server.mustRefresh(first.RefreshToken)
	if next.RefreshToken != again.RefreshToken || claims(t, next.RefreshToken)["gen"] != 1.0 {
		t.Errorf("the retry leads to generation %v, want the same leaf", claims(t, again.RefreshToken)["gen"])
	}
	secret := f.apiSecret()
	if got := server.introspect(secret, next.AccessToken); !got.Active {
		t.Error("a living token is not active")
	}
	if err := server.tokens.Revoke(t.Context(), asPublic("app"), next.RefreshToken, tokens.ReasonClient); err != nil {
		t.Fatal(err)
	}
	if got := f.introspect(secret, next.AccessToken); got.Active {
		t.Error("a revoked token is active")
	}
}
