package authd

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// Errors to test for with errors.Is.
var (
	// ErrSchemaVersion: the database's schema is not one that this build can use; its
	// text says what to run.
	ErrSchemaVersion = errors.New("schema authd has the wrong version")
	// ErrNotFound: no such client, user, family, key or secret.
	ErrNotFound = db.ErrNotFound
	// ErrExists: the identifier is taken.
	ErrExists = db.ErrExists
	// ErrUnavailable: storage cannot be reached, or the outcome of a commit is unknown.
	ErrUnavailable = db.ErrUnavailable
	// ErrTwoSecrets: a client has two live secrets already; remove one first.
	ErrTwoSecrets = db.ErrTwoSecrets
	// ErrLastSecret: without this secret the client could not authenticate any more.
	ErrLastSecret = clients.ErrLastSecret
	// ErrPublicClient and ErrSigningClient: a client that is public, or proves by its key who
	// it is, has no secret.
	ErrPublicClient  = clients.ErrPublicClient
	ErrSigningClient = clients.ErrSigningClient
	// ErrKEK: a key-encryption key that the database needs is missing or is another one;
	// its text names ids.
	ErrKEK = keys.ErrKEK
	// ErrInvalidCredentials is what an [Authenticator] wraps for every reason that a
	// person can cause.
	ErrInvalidCredentials = errors.New("invalid credentials")
	// ErrDenied is what a claims hook wraps to refuse a token with access_denied; any
	// other error of the hook is answered with 500.
	ErrDenied = errors.New("denied")
)

// InvalidError says what is wrong with the input of a method, in words for people.
type InvalidError struct{ Reason string }

// Error is the reason.
func (e *InvalidError) Error() string { return e.Reason }

// KeyTooYoungError refuses a rotation to a key that verifiers may not have seen yet.
type KeyTooYoungError struct {
	Ring   string
	SafeAt time.Time
}

// Error names the time from which on the rotation is safe.
func (e *KeyTooYoungError) Error() string {
	return fmt.Sprintf("the announced key of ring %s is too young to sign before %s",
		e.Ring, e.SafeAt.Add(time.Second-1).UTC().Format(time.RFC3339)) // rounded up: it is safe then
}

// public gives the errors of the services below their public types.
func public(err error) error {
	refusal, ok := errors.AsType[*oauth.Error](err)
	switch {
	case !ok || refusal.HTTPStatus() >= 500:
		return err
	case refusal.Code == oauth.UsernameTaken:
		return fmt.Errorf("user: %w", ErrExists)
	default:
		return &InvalidError{Reason: refusal.Description}
	}
}
