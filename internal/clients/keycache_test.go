package clients_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

// source is the jwks_uri of a client.
type source struct {
	mu      sync.Mutex
	doc     string
	err     error
	fetches int
	entered func() // may block
}

func (s *source) Get(ctx context.Context, _ string) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("a fetch without an end")
	}
	if s.entered != nil {
		s.entered()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches++
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return []byte(s.doc), s.err
}

func (s *source) answer(doc string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc, s.err = doc, err
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// remote is a server, a client with a jwks_uri, and a clock for the cache.
type remote struct {
	*source
	t    *testing.T
	d    *db.DB
	r    *clients.Registry
	a    *clients.Authenticator
	tick time.Duration // of the cache's clock, by the test alone
}

func newRemote(t *testing.T, pool *pgxpool.Pool) *remote {
	t.Helper()
	d := db.New(pool)
	w := &remote{source: &source{doc: keySet(t, jwk(shopRSA().Public(), "r1", ""))}, t: t, d: d, r: clients.NewRegistry(d, nil)}
	began := time.Now()
	w.a = newAuthenticator(d, w.source, func() time.Time { return began.Add(w.tick) })
	register(t, w.r, oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT, JWKSURI: "https://shop.example/keys"})
	return w
}

func (w *remote) old() error {
	w.t.Helper()
	return prove(w.t, w.a, w.d, form(sign(w.t, shopRSA(), goodHeader, goodClaims(w.t, time.Now()))))
}

func (w *remote) young() error {
	w.t.Helper()
	return prove(w.t, w.a, w.d, form(sign(w.t, shopEC(), object{"alg": "ES256", "kid": "e1"}, goodClaims(w.t, time.Now()))))
}

// M-08: keys are read once and kept; what is not known makes them be read again, but not
// more often than every 30 s; an outage at the client's is bridged for an hour.
func TestJWKSURI(t *testing.T) {
	t.Parallel()
	w := newRemote(t, dbtest.New(t))
	both := keySet(t, jwk(shopRSA().Public(), "r1", ""), jwk(shopEC().Public(), "e1", ""))
	down := errors.New("connection refused")
	steps := []struct {
		name    string
		after   time.Duration
		change  func()
		ask     func() error
		rule    string
		fetches int // in all
	}{
		{"first use", 0, nil, w.old, "", 1},
		{"from memory", 0, nil, w.old, "", 1},
		{"an unknown key just after", 0, nil, w.young, "no registered key", 1},
		{"an unknown key 29 s later", 29 * time.Second, nil, w.young, "no registered key", 1},
		{"an unknown key 30 s later", time.Second, nil, w.young, "no registered key", 2},
		{"the client adds a key", 30 * time.Second, func() { w.answer(both, nil) }, w.young, "", 3},
		{"both are known", 0, nil, w.old, "", 3},
		{"still fresh", 5*time.Minute - time.Second, nil, w.old, "", 3},
		{"the client withdraws the old key", time.Second, func() { w.answer(keySet(t, jwk(shopEC().Public(), "e1", "")), nil) }, w.old, "no registered key", 4},
		{"the source is down", 5 * time.Minute, func() { w.answer("", down) }, w.young, "", 5},
		{"it is asked again after 30 s and not before", 29 * time.Second, nil, w.young, "", 5},
		{"it is asked again", time.Second, nil, w.young, "", 6},
		{"after an hour without it, nothing is known any more", time.Hour - 5*time.Minute, nil, w.young, "keys of jwks_uri: connection refused", 7},
		{"the failure is remembered", 29 * time.Second, nil, w.young, "keys of jwks_uri: connection refused", 7},
		{"it answers something else", time.Second, func() { w.answer("<html>", nil) }, w.young, "keys of jwks_uri: not a JWK set", 8},
		{"it answers without a usable key", 30 * time.Second, func() { w.answer(`{"keys":[{"kty":"oct","k":"x"}]}`, nil) }, w.young, "keys of jwks_uri: no key is usable", 9},
		{"it is back, with a key for encryption beside", 30 * time.Second, func() {
			w.answer(strings.Replace(both, `"use":"sig"`, `"use":"enc"`, 1), nil)
		}, w.young, "", 10},
		{"which verifies nothing", 0, nil, w.old, "no registered key", 10},
	}
	for _, s := range steps { // in order
		w.tick += s.after
		if s.change != nil {
			s.change()
		}
		err := s.ask()

		t.Log(s.name)
		wantRule(t, err, s.rule)
		if got := w.count(); got != s.fetches {
			t.Errorf("%s: %d fetches, want %d", s.name, got, s.fetches)
		}
	}
}

// Another URI is another source, whose keys have not been read.
func TestJWKSURIChanges(t *testing.T) {
	t.Parallel()
	w := newRemote(t, dbtest.New(t))
	wantRule(t, w.old(), "")
	w.answer(keySet(t, jwk(shopEC().Public(), "e1", "")), nil)
	if _, err := w.r.Update(t.Context(), "shop", func(c *oauth.Client) { c.JWKSURI += "/new" }); err != nil {
		t.Fatal(err)
	}

	wantRule(t, w.old(), "no registered key")
	wantRule(t, w.young(), "")
	if w.count() != 2 {
		t.Errorf("%d fetches, want 2", w.count())
	}
}

// What is wrong by itself costs no fetch: strangers cannot make us ask anybody.
func TestNoFetchForNothing(t *testing.T) {
	t.Parallel()
	w := newRemote(t, dbtest.New(t))
	for _, claims := range []object{{"aud": "https://evil.example"}, {"exp": nil}, {"jti": nil}, {"iss": "nobody", "sub": "nobody"}} {
		if err := prove(t, w.a, w.d, form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()).with(claims)))); err == nil {
			t.Errorf("%v was accepted", claims)
		}
	}
	if err := w.d.DisableClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	wantRule(t, w.old(), "client is disabled")

	if w.count() != 0 {
		t.Errorf("%d fetches", w.count())
	}
}

// However many ask at once, one fetch is under way, and the pool's only connection is free
// meanwhile.
func TestOneFetchAtATime(t *testing.T) {
	t.Parallel()
	cfg, err := pgxpool.ParseConfig(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 1
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	w := newRemote(t, pool)
	const n = 20
	asked := make(chan struct{}, n)
	var wait sync.Once
	w.entered = func() {
		wait.Do(func() {
			for range n {
				<-asked // all have sent their assertion
			}
		})
		if _, err := w.d.Now(t.Context()); err != nil { // waits for ever if the connection is held
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for range n {
		f := form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now())))
		wg.Go(func() {
			asked <- struct{}{}
			if err := prove(t, w.a, w.d, f); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if w.count() != 1 {
		t.Errorf("%d fetches, want 1", w.count())
	}
}

// A slow source takes the places of 32 requests, and not those of everybody; who goes away
// does not end the fetch for the others.
func TestSlowSource(t *testing.T) {
	t.Parallel()
	w := newRemote(t, dbtest.New(t))
	fetching, release := make(chan struct{}), make(chan struct{})
	w.entered = sync.OnceFunc(func() { close(fetching); <-release })
	gone, leave := context.WithCancel(t.Context())
	first, err := clients.ParseCredentials(nil, form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()))))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error)
	go func() {
		_, err := w.a.Authenticate(gone, first)
		left <- err
	}()
	<-fetching
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who goes away: %v", err)
	}

	answers := make(chan error, 40)
	for range 40 {
		f := form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now())))
		go func() { answers <- prove(t, w.a, w.d, f) }()
	}
	for range 40 - 32 {
		e, _ := errors.AsType[*oauth.Error](<-answers)
		if e == nil || e.HTTPStatus() != 503 || e.RetryAfter == 0 {
			t.Errorf("beyond the bound: %v, want 503", e)
		}
	}
	close(release)
	for range 32 {
		if err := <-answers; err != nil {
			t.Errorf("within the bound: %v", err)
		}
	}
	if w.count() != 1 {
		t.Errorf("%d fetches, want 1", w.count())
	}
}
