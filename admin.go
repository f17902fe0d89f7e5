package authd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// Admin manages clients, users, families and keys. Every [Server] has one; by itself it
// needs neither an issuer nor a key-encryption key, and signs nothing.
type Admin struct {
	db      *db.DB
	clients *clients.Registry
	users   *authn.Service
	emit    func(context.Context, Event)
}

// NewAdmin checks the schema. It returns an error that wraps [ErrSchemaVersion] if
// [Migrate] has to run first.
func NewAdmin(ctx context.Context, pool *pgxpool.Pool) (*Admin, error) {
	if pool == nil {
		return nil, errors.New("authd: the pool is missing")
	}
	cfg := Config{DB: pool, Random: rand.Reader, Logger: slog.Default()}
	if err := cfg.checkDatabase(ctx); err != nil {
		return nil, err
	}
	return newAdmin(&cfg), nil
}

// Client is a registration.
type Client struct {
	ID   string
	Name string
	// AuthMethod is client_secret_basic (default), client_secret_post, private_key_jwt, or
	// none for a public client.
	AuthMethod string
	// JWKS holds the public keys of a client with private_key_jwt (RFC 7517): RSA keys of
	// 2048 bits or more, or on P-256. With two of them, a key is changed without downtime.
	JWKS json.RawMessage
	// JWKSURI is where to get them instead: an https URL on the open Internet, read again
	// after 5 minutes at the latest, and for a key that is not known at most every 30 s.
	JWKSURI string
	// GrantTypes default to client_credentials for a confidential client, and to
	// authorization_code and refresh_token for a public one.
	GrantTypes []string
	// Scopes are all that the client may ask for. None: none.
	Scopes []string
	// Audiences are what its tokens may be for, the first unless it asks for another. Of a
	// resource server: whose tokens it may introspect.
	Audiences    []string
	RedirectURIs []string
	// PostLogoutRedirectURIs are where a browser may go after a sign-out that the client
	// asked for, compared exactly.
	PostLogoutRedirectURIs []string
	// AllowedOrigins may call the token endpoint from a browser, beside those of the
	// redirect URIs of a public client.
	AllowedOrigins []string
	// AccessTTL and RefreshTTL are 0 for the server's defaults.
	AccessTTL, RefreshTTL time.Duration
	// FirstParty may use the account calls. ResourceServer may introspect.
	FirstParty, ResourceServer bool
	// PKCEOptional lets a confidential client ask for authorization codes without PKCE. It
	// may in any case where the request has the scope openid and a nonce.
	PKCEOptional bool
	// RequirePushedRequests refuses the client's authorization requests that were not pushed
	// (RFC 9126 §6): nothing of one can then be changed on its way through a browser.
	RequirePushedRequests bool

	// The rest is set by the server.
	Secrets    []ClientSecret
	CreatedAt  time.Time
	DisabledAt *time.Time
}

// ClientSecret is what can be told of a secret after it was made.
type ClientSecret struct {
	ID        string
	CreatedAt time.Time
}

// CreateClient registers c and returns it with its secret, which nobody can read again;
// "" for a client without one. It returns an [*InvalidError] or an error wrapping [ErrExists].
func (a *Admin) CreateClient(ctx context.Context, c Client) (Client, string, error) {
	made, secret, err := a.clients.Create(ctx, c.internal())
	return publicClient(made), secret, public(err)
}

// Client returns [ErrNotFound] for none.
func (a *Admin) Client(ctx context.Context, id string) (Client, error) {
	c, _, err := a.db.Client(ctx, id)
	return publicClient(c), err
}

// Clients lists all by identifier.
func (a *Admin) Clients(ctx context.Context) ([]Client, error) {
	list, err := a.db.Clients(ctx)
	return convert(list, publicClient), err
}

// UpdateClient changes what change changes; identifier, secrets and state stay. Of two
// updates at once the later wins whole. It returns [ErrNotFound] or an [*InvalidError].
func (a *Admin) UpdateClient(ctx context.Context, id string, change func(*Client)) (Client, error) {
	c, err := a.clients.Update(ctx, id, func(c *oauth.Client) {
		edited := publicClient(*c)
		change(&edited)
		*c = edited.internal()
	})
	return publicClient(c), public(err)
}

// DeleteClient ends all that the client was given and frees its identifier.
func (a *Admin) DeleteClient(ctx context.Context, id string) error {
	return a.ended(ctx, a.db.DeleteClient(ctx, id), ClientEnded{id})
}

// DisableClient ends all that the client was given and refuses it until [Admin.EnableClient].
func (a *Admin) DisableClient(ctx context.Context, id string) error {
	return a.ended(ctx, a.db.DisableClient(ctx, id), ClientEnded{id})
}

// EnableClient revives the client, but none of its tokens.
func (a *Admin) EnableClient(ctx context.Context, id string) error { return a.db.EnableClient(ctx, id) }

// RevokeClient ends all that the client was given, in one row; it may go on.
func (a *Admin) RevokeClient(ctx context.Context, id string) error {
	return a.ended(ctx, a.db.EndClient(ctx, id), ClientEnded{id})
}

// ended tells e once the change is committed.
func (a *Admin) ended(ctx context.Context, err error, e Event) error {
	if err == nil {
		a.emit(ctx, e)
	}
	return err
}

// AddClientSecret returns a second secret, which nobody can read again, so that a secret
// can be changed without downtime. It returns [ErrNotFound], [ErrTwoSecrets],
// [ErrPublicClient] or [ErrSigningClient].
func (a *Admin) AddClientSecret(ctx context.Context, id string) (ClientSecret, string, error) {
	s, text, err := a.clients.AddSecret(ctx, id)
	return ClientSecret{s.ID, s.CreatedAt}, text, public(err)
}

// RemoveClientSecret takes a secret out of use at once. It returns [ErrNotFound] or
// [ErrLastSecret].
func (a *Admin) RemoveClientSecret(ctx context.Context, id, secretID string) error {
	return a.clients.RemoveSecret(ctx, id, secretID)
}

// User is a row of the built-in store.
type User struct {
	Subject    string
	Username   string
	Email      string
	Name       string
	CreatedAt  time.Time
	DisabledAt *time.Time
}

// NewUser is what a user is made of; Email and Name may be empty.
type NewUser struct{ Username, Password, Email, Name string }

// CreateUser returns an [*InvalidError] for a weak password or a name that is taken.
func (a *Admin) CreateUser(ctx context.Context, u NewUser) (User, error) {
	made, err := a.users.CreateUser(ctx, authn.NewUser(u))
	return User(made), public(err)
}

// ImportUser is [Admin.CreateUser] with a password hash of another system instead of a
// password: argon2id as a PHC string, or bcrypt. It is replaced at the next sign-in.
func (a *Admin) ImportUser(ctx context.Context, u NewUser, hash string) (User, error) {
	made, err := a.users.ImportUser(ctx, authn.NewUser(u), hash)
	return User(made), public(err)
}

// User finds a user by name and returns [ErrNotFound] for none.
func (a *Admin) User(ctx context.Context, username string) (User, error) {
	u, err := a.users.User(ctx, username)
	return User(u), err
}

// Users lists all by name.
func (a *Admin) Users(ctx context.Context) ([]User, error) {
	list, err := a.users.Users(ctx)
	return convert(list, func(u oauth.User) User { return User(u) }), err
}

// DisableUser ends all grants of the user and refuses new ones until [Admin.EnableUser].
func (a *Admin) DisableUser(ctx context.Context, username string) error {
	return a.users.Disable(ctx, username)
}

// EnableUser allows new sign-ins; what disabling ended stays ended.
func (a *Admin) EnableUser(ctx context.Context, username string) error {
	return a.users.Enable(ctx, username)
}

// SetPassword also ends all grants of the user. It returns [ErrNotFound] or an
// [*InvalidError] for a weak password.
func (a *Admin) SetPassword(ctx context.Context, username, password string) error {
	return public(a.users.SetPassword(ctx, username, password))
}

// RevokeSubject ends every grant of a subject, in one row whatever it has been granted.
func (a *Admin) RevokeSubject(ctx context.Context, subject string) error {
	_, err := a.db.EndSubject(ctx, subject)
	return a.ended(ctx, err, SubjectEnded{subject})
}

// RevokeSubjectTx does so in the host's own transaction: delete the user and the tokens
// together, or neither. The host commits, and no event is sent.
func (a *Admin) RevokeSubjectTx(ctx context.Context, tx pgx.Tx, subject string) error {
	_, err := a.db.In(tx).EndSubject(ctx, subject)
	return err
}

// Key is a signing key without its private half.
type Key struct {
	ID    string // kid
	Ring  string // access or refresh
	Seq   int64
	Alg   string
	State string // announced, signing, retired, expired, revoked

	AnnouncedAt, RotateAfter                         time.Time
	SignsFrom, SignsUntil, PublishedUntil, RevokedAt *time.Time
}

// Keys lists all keys that ever were, by ring and age.
func (a *Admin) Keys(ctx context.Context) ([]Key, error) {
	now, err := a.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	list, err := keys.List(ctx, a.db)
	return convert(list, func(k oauth.Key) Key { return publicKey(k, now) }), err
}
