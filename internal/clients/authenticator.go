package clients

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// Fetcher gets the document at a client's jwks_uri. It is safe to be sent anywhere.
type Fetcher interface {
	Get(ctx context.Context, uri string) ([]byte, error)
}

// AuthenticatorConfig configures [NewAuthenticator]; all is required.
type AuthenticatorConfig struct {
	DB *db.DB
	// Audiences are the values of aud that mean this server.
	Audiences []string
	Fetch     Fetcher
	Now       func() time.Time // of the cache of fetched keys
}

// Authenticator verifies the assertions of clients with private_key_jwt. It does what
// takes time, and so before anything else holds a connection or a lock.
type Authenticator struct {
	db        *db.DB
	audiences []string
	keys      *keyCache
	seen      seen
}

// NewAuthenticator does no I/O.
func NewAuthenticator(cfg AuthenticatorConfig) *Authenticator {
	return &Authenticator{db: cfg.DB, audiences: cfg.Audiences, keys: newKeyCache(cfg.Fetch, cfg.Now)}
}

// Authenticate verifies the assertion of c, if it has one, and takes its jti: it is good
// once. [Credentials.Check] has the last word, as with all credentials. Refusals are those
// of Check; other errors are of storage.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (Credentials, error) {
	if c.assertion == nil {
		return c, nil
	}
	w, err := c.assertion.window(a.audiences)
	if err != nil {
		return c, refuse("assertion: " + err.Error())
	}
	proven := c
	proven.proven = true
	if known := a.seen.get(c.id); known != nil && a.verify(ctx, known, c.assertion) == nil {
		claimed, err := a.db.ClaimAssertion(ctx, known, c.assertion.jti(), w.from, w.until)
		switch {
		case err != nil:
			return c, err
		case claimed:
			return proven, nil
		}
	}
	if err := a.authenticate(ctx, proven, w); err != nil { // and learn why it was not claimed
		return c, err
	}
	return proven, nil
}

// authenticate reads the registration before it does the same. c counts as proven.
func (a *Authenticator) authenticate(ctx context.Context, c Credentials, w window) error {
	client, now, err := a.db.Client(ctx, c.id)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if err := c.Check(orNone(client, err)); err != nil { // before a key is looked for
		return err
	}
	a.seen.put(&client)
	if err := w.check(now); err != nil {
		return refuse("assertion: " + err.Error())
	}
	if err := a.verify(ctx, &client, c.assertion); err != nil {
		return err
	}
	claimed, err := a.db.ClaimAssertion(ctx, &client, c.assertion.jti(), w.from, w.until)
	if err == nil && !claimed {
		return refuse("assertion: jti was used before")
	}
	return err
}

func orNone(c oauth.Client, err error) *oauth.Client {
	if err != nil {
		return nil
	}
	return &c
}

// verify looks for the keys once more where those in memory do not do: the client may have
// just changed them.
func (a *Authenticator) verify(ctx context.Context, client *oauth.Client, as *assertion) error {
	if client.JWKSURI == "" {
		keys, err := parseKeySet([]byte(client.JWKS))
		if err != nil {
			return err // checked when it was registered
		}
		return unverified(as.verify(keys))
	}
	set, err := a.keys.current(ctx, client)
	if err != nil {
		return err
	}
	if as.verify(set.keys) == nil {
		return nil
	}
	if set, err = a.keys.newer(ctx, client, set); err != nil {
		return err
	}
	return unverified(as.verify(set.keys))
}

func unverified(err error) error {
	if err == nil {
		return nil
	}
	return refuse("assertion: " + err.Error())
}

// seen remembers the keys of registrations that were read, so that the next assertion of
// the client costs no reading: [db.DB.ClaimAssertion] claims nothing where one is outdated.
type seen struct {
	mu      sync.Mutex
	clients map[string]*oauth.Client
}

// maxSeen bounds the memory, to some 20 MiB. Beyond it all are forgotten, and read again.
const maxSeen = 10_000

func (s *seen) get(id string) *oauth.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[id]
}

func (s *seen) put(c *oauth.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == nil || len(s.clients) >= maxSeen {
		s.clients = make(map[string]*oauth.Client)
	}
	s.clients[c.ID] = &oauth.Client{ID: c.ID, JWKS: c.JWKS, JWKSURI: c.JWKSURI}
}
