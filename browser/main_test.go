package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
)

// The hosts are sites of their own to the browser, and stand all behind one front.
const (
	issuer = "https://auth.example"
	shopAt = "https://shop.example"
	evilAt = "https://evil.example"
)

// Of what all tests share. Each has a person and a private window of its own.
var (
	chromium context.Context // of the one browser process
	admin    *authd.Admin
	database *pgxpool.Pool
	binary   string // authd
	kek      string // its key-encryption key
	shop     *client
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(shared{m})) }

// shared starts what the tests share, and ends it before dbtest looks for what is left.
type shared struct{ *testing.M }

// Run runs the tests.
func (m shared) Run() int {
	var s stack
	defer s.unwind()
	if err := start(&s); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		return 1
	}
	return m.M.Run()
}

func start(s *stack) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.push(cancel)
	var err error
	if binary, kek, err = build(ctx, s); err != nil {
		return err
	}
	url, drop, err := dbtest.PreparedExample("empty", func(context.Context, *pgxpool.Pool) error { return nil })
	if err != nil {
		return err
	}
	s.push(func() { complain(drop()) })
	if database, err = connect(ctx, s, url); err != nil {
		return err
	}
	if admin, err = authd.NewAdmin(ctx, database); err != nil {
		return err
	}
	f, err := newFront(s)
	if err != nil {
		return err
	}
	return errors.Join(f.open(ctx, s, url), openChromium(ctx, s, f))
}

func connect(ctx context.Context, s *stack, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if err := authd.PoolConfig(cfg); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.push(pool.Close)
	return pool, nil
}

// open puts the issuer and its surroundings behind the front.
func (f *front) open(ctx context.Context, s *stack, database string) error {
	server, err := serve(ctx, s, database, issuer)
	if err != nil {
		return err
	}
	f.put(issuer, server)
	f.put(evilAt, evil())
	shop, err = newClient(ctx, authd.Client{
		ID: "shop", Name: "The Shop", AuthMethod: "client_secret_basic", GrantTypes: []string{"authorization_code", "refresh_token"},
		Scopes:       []string{"openid", "profile", "email", "read", "write"},
		RedirectURIs: []string{shopAt + "/callback"}, PostLogoutRedirectURIs: []string{shopAt + "/bye"},
	}, issuer, shopAt, f.client())
	if err != nil {
		return err
	}
	f.put(shopAt, shop)
	return nil
}

// stack is what has to be ended, the last first.
type stack []func()

func (s *stack) push(end func()) { *s = append(*s, end) }

func (s *stack) unwind() {
	for i := len(*s) - 1; i >= 0; i-- {
		(*s)[i]()
	}
}

func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
	}
}
