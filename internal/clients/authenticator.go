package clients

import (
	"context"
	"errors"
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
	client, now, err := a.db.Client(ctx, c.id)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return c, err
	}
	proven := c
	proven.proven = true
	if err := proven.Check(orNone(client, err)); err != nil { // before a key is looked for
		return c, err
	}
	until, err := c.assertion.check(a.audiences, now)
	if err != nil {
		return c, refuse("assertion: " + err.Error())
	}
	if err := a.verify(ctx, &client, c.assertion); err != nil {
		return c, err
	}
	claimed, err := a.db.ClaimAssertion(ctx, c.id, c.assertion.jti(), until)
	if err != nil {
		return c, err
	}
	if !claimed {
		return c, refuse("assertion: jti was used before")
	}
	return proven, nil
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
