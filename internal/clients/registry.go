package clients

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// Registry keeps the registrations.
type Registry struct {
	db     *db.DB
	random io.Reader
}

// NewRegistry makes secrets from random.
func NewRegistry(d *db.DB, random io.Reader) *Registry { return &Registry{db: d, random: random} }

// Create registers c and returns it with the only copy of its secret, "" for a
// client without one. Fields that are left empty get their defaults: client_secret_basic, the grant
// type client_credentials for a confidential client, authorization_code and
// refresh_token for a public one. It returns a refusal with [oauth.InvalidRequest] that
// says what is wrong, or an error that wraps [db.ErrExists].
func (r *Registry) Create(ctx context.Context, c oauth.Client) (oauth.Client, string, error) {
	c = withDefaults(c)
	if err := Validate(&c); err != nil {
		return c, "", err
	}
	if !hasSecret(c) {
		var err error
		c.CreatedAt, err = r.db.CreateClient(ctx, &c, nil)
		return c, "", err
	}
	secret, sum, err := r.newSecret()
	if err != nil {
		return c, "", err
	}
	c.CreatedAt, err = r.db.CreateClient(ctx, &c, sum)
	return c, secret, err
}

func hasSecret(c oauth.Client) bool {
	return c.AuthMethod == oauth.SecretBasic || c.AuthMethod == oauth.SecretPost
}

func withDefaults(c oauth.Client) oauth.Client {
	if c.AuthMethod == "" {
		c.AuthMethod = oauth.SecretBasic
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []oauth.GrantType{oauth.ClientCredentials}
		if c.IsPublic() {
			c.GrantTypes = []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken}
		}
	}
	return c
}

func (r *Registry) newSecret() (string, []byte, error) {
	secret, err := oauth.NewClientSecret(r.random)
	sum := sha256.Sum256([]byte(secret))
	return secret, sum[:], err
}

// Update changes the registration as change says. Identifier, secrets and state are not
// changed, and a public client stays public. The secrets of a client that now has
// private_key_jwt are of no use, and can be removed. It returns [db.ErrNotFound] or a refusal.
//
// Of two updates at once the later one wins whole.
func (r *Registry) Update(ctx context.Context, id string, change func(*oauth.Client)) (oauth.Client, error) {
	c, _, err := r.db.Client(ctx, id)
	if err != nil {
		return c, err
	}
	wasPublic := c.IsPublic()
	change(&c)
	c.ID = id
	if c.IsPublic() != wasPublic {
		return c, oauth.Errorf(oauth.InvalidRequest, "a client cannot turn from public to confidential or back; make a new one")
	}
	if err := Validate(&c); err != nil {
		return c, err
	}
	return r.db.UpdateClient(ctx, &c)
}

// AddSecret returns the only copy of a second secret. It returns [db.ErrTwoSecrets] if
// there are two already, and [ErrPublicClient] or [ErrSigningClient] for a client without
// secrets.
func (r *Registry) AddSecret(ctx context.Context, id string) (oauth.ClientSecret, string, error) {
	c, _, err := r.db.Client(ctx, id)
	if err != nil {
		return oauth.ClientSecret{}, "", err
	}
	if c.IsPublic() {
		return oauth.ClientSecret{}, "", ErrPublicClient
	}
	if !hasSecret(c) {
		return oauth.ClientSecret{}, "", ErrSigningClient
	}
	secret, sum, err := r.newSecret()
	if err != nil {
		return oauth.ClientSecret{}, "", err
	}
	kept, err := r.db.AddClientSecret(ctx, id, sum)
	if err != nil {
		return kept, "", err
	}
	return kept, secret, nil
}

var (
	// ErrLastSecret: without it the client could not authenticate any more.
	ErrLastSecret = errors.New("this is the client's only secret")
	// ErrPublicClient and ErrSigningClient: such a client has no secret.
	ErrPublicClient  = errors.New("a public client has no secret")
	ErrSigningClient = errors.New("this client authenticates by its key, not by a secret")
)

// RemoveSecret takes a secret out of use at once. It returns [db.ErrNotFound] for a
// client or secret that is not there and [ErrLastSecret].
func (r *Registry) RemoveSecret(ctx context.Context, id, secretID string) error {
	c, _, err := r.db.Client(ctx, id)
	if err != nil {
		return err
	}
	found := slices.ContainsFunc(c.Secrets, func(s oauth.ClientSecret) bool { return s.ID == secretID })
	if !found {
		return fmt.Errorf("secret: %w", db.ErrNotFound)
	}
	if len(c.Secrets) == 1 && hasSecret(c) {
		return ErrLastSecret
	}
	return r.db.RemoveClientSecret(ctx, id, secretID)
}
