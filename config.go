package authd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/backchannel"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/outbound"
)

// Config configures [New]. Issuer, DB and KeyEncryptionKeys are required; every other
// field's zero value is a safe choice.
type Config struct {
	// Issuer is the issuer identifier (RFC 8414 §2): an https URL without query or
	// fragment, exactly as clients and resource servers will compare it. http is allowed
	// for loopback addresses only.
	Issuer string
	// InsecureIssuer allows an http issuer on any address. It MUST be false wherever
	// tokens are worth something: they cross the network in clear.
	InsecureIssuer bool
	// DB is the host's pool, made with [PoolConfig]. authd touches only schema "authd" and
	// never closes the pool or changes its settings.
	DB *pgxpool.Pool
	// KeyEncryptionKeys seal private signing keys at rest: the first seals, all open.
	// Each is a [Secret] or a key that a KMS keeps. May be empty with a Signer.
	KeyEncryptionKeys []KeyEncryptor
	// Signer, if set, makes and keeps the private signing keys from now on. Those that lie
	// sealed in the database sign until their time is over.
	Signer Signer
	// SealNewKeys is the way back from a Signer: new keys are made here again, and sealed
	// under KeyEncryptionKeys. The Signer signs with those it has, and destroys them, until
	// none is left after the second rotation; then it may go.
	SealNewKeys bool

	// Authenticator checks sign-ins. Nil means the built-in user store.
	Authenticator Authenticator
	// Accounts turns /account/login, /account/logout and /account/families on, and with the
	// built-in user store /account/register and /account/password, for clients registered
	// as first-party. Default off.
	Accounts bool
	// SignInPages turns the browser's way in on: /oauth2/authorize, the pages to sign in and
	// to consent, /account, where people see and end their sign-ins, and OpenID Connect with
	// /oauth2/userinfo and /oauth2/logout. Default off.
	SignInPages bool
	// Registration turns the page /register on: anybody may make an account in the built-in
	// user store. Default off.
	Registration bool
	// SignIn, if set, takes the place of the sign-in page: it renders a page of the host's, or
	// redirects to one, on the issuer's own host, whose cookies it needs. When the host knows
	// who is there, it calls [Server.CompleteSignIn]. People change their passwords there, too.
	SignIn func(w http.ResponseWriter, r *http.Request, s SignInRequest)
	// Templates replace pages by files of the same name, and files of the folder static: see
	// docs/operations.md. [New] returns an error that names the file for one that cannot be
	// used. Nil: none.
	Templates fs.FS
	// Claims, if set, adds claims to each access token. It runs inside the token request,
	// so it should take milliseconds; an error refuses the token (see [ErrDenied]).
	// Registered claims cannot be replaced. The payload is signed, not encrypted: put no
	// secret in it.
	Claims func(ctx context.Context, g Grant) (map[string]any, error)
	// UserInfo, if set, supplies claims about a subject for /oauth2/userinfo (OIDC Core §5.1),
	// beside those of the built-in user store, of which it may replace any. Of the standard
	// claims, those that none of scopes asks for are left out; registered claims, such as sub
	// and iss, are an error.
	UserInfo func(ctx context.Context, subject string, scopes []string) (map[string]any, error)
	// Device, if set, says of each sign-in and token request where it came from, and that is
	// kept with the family as its first and its last use: see [PeerDevice] and
	// [ProxiedDevice]. Nil keeps nothing. The address and the user agent of people are
	// personal data.
	Device func(r *http.Request) Device
	// ClientAddress, if set, says for whose address a sign-in or a registration counts in the
	// limits by address (docs/operations.md); nothing is kept of it. The zero address is not
	// limited. Nil: that of Device, or without it the connection's if it is on the open Internet:
	// behind any other there is a proxy, and behind the proxy everybody.
	ClientAddress func(r *http.Request) netip.Addr
	// OnEvent, if set, is told of each [Event], once it is committed (…Tx methods send
	// none: the host commits). It must not block.
	OnEvent func(ctx context.Context, e Event)
	// OnRequest, if set, is told of each request after its answer. It must not block.
	OnRequest func(ctx context.Context, r RequestInfo)

	// AccessTokenTTL is the lifetime of an access token. Default 10 minutes, at least 1
	// minute, at most 1 hour; whole seconds. A registration may say otherwise within the
	// same bounds.
	AccessTokenTTL time.Duration
	// RefreshTokenTTL is how long a refresh token may lie unused. Default 14 days, at most
	// FamilyTTL.
	RefreshTokenTTL time.Duration
	// FamilyTTL ends a refresh-token family in any case. Default 90 days, at most 366.
	FamilyTTL time.Duration
	// RefreshGrace is how long the parent of a refresh token still gets the same leaf.
	// Default 30 s, at most 2 minutes; the special value -1 turns the window off, and then
	// a lost answer logs a user out.
	RefreshGrace time.Duration

	// KeyPeriod is how long a signing key signs; then the announced one takes its place, by
	// itself. Default 30 days. It counts for keys that begin to sign from now on: the plan of
	// those that do already stands in the database.
	KeyPeriod time.Duration
	// KeyLead is how long a signing key is published before it signs. Default 24 hours, at
	// most KeyPeriod and at least 2 × JWKSMaxAge + KeySnapshotCap + ClockSkew.
	KeyLead time.Duration
	// JWKSMaxAge is how long verifiers may cache the JWKS. Default 5 minutes; whole seconds.
	JWKSMaxAge time.Duration
	// KeyPoll is how often the key rings are read from the database. Default 15 s, at most
	// half of KeySnapshotCap.
	KeyPoll time.Duration
	// KeySnapshotCap is how old the rings in memory may be to sign with. Default and most
	// 1 minute: so long the database may be away, and so long a rotation may take to reach
	// every server.
	KeySnapshotCap time.Duration
	// ClockSkew is how far the clocks of verifiers may be off. Default 1 minute; the special
	// value -1 is none. Keys are published that much earlier and longer.
	ClockSkew time.Duration
	// KeyBits is the length of new RSA keys: 2048 (default), 3072 or 4096.
	KeyBits int

	// Logger receives logs. Default [slog.Default]. No token or secret is ever logged.
	Logger *slog.Logger
	// Now is the clock of caches. Default [time.Now]; tokens take the database's time.
	Now func() time.Time
	// Random is what keys, identifiers and secrets are made of. Default [rand.Reader].
	Random io.Reader

	withTimeout  func(context.Context, time.Duration) (context.Context, context.CancelFunc) // of hooks; tests set it
	sessionEnded backchannel.Hint                                                           // set by New
	outbound     outbound.Config                                                            // tests trust a server of their own
}

// Bounds of the lifetimes.
const (
	minAccessTTL = time.Minute
	maxAccessTTL = time.Hour
	maxFamilyTTL = 366 * 24 * time.Hour
	maxGrace     = 2 * time.Minute
)

// feedMargin is how long revocations are told after the last token that they name has
// expired: verifiers' clocks may be off.
const feedMargin = 2 * time.Minute

// noGrace is the special value of RefreshGrace.
const noGrace = -1

func (c Config) withDefaults() Config {
	orDefault(&c.AccessTokenTTL, 10*time.Minute)
	orDefault(&c.RefreshTokenTTL, 14*24*time.Hour)
	orDefault(&c.FamilyTTL, 90*24*time.Hour)
	orDefault(&c.RefreshGrace, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// validate names the field and the remedy.
func (c *Config) validate() error {
	if c.DB == nil {
		return errors.New("authd: Config.DB is missing: pass a pool made with authd.PoolConfig")
	}
	if len(c.KeyEncryptionKeys) == 0 && (c.Signer == nil || c.SealNewKeys) {
		return errors.New("authd: Config.KeyEncryptionKeys is empty: make a key with authd.NewSecret or `authd kek new`")
	}
	if err := checkIssuer(c.Issuer, c.InsecureIssuer); err != nil {
		return fmt.Errorf("authd: Config.Issuer %w", err)
	}
	if err := c.validatePages(); err != nil {
		return err
	}
	return c.validateLifetimes()
}

// validatePages refuses what would be without effect.
func (c *Config) validatePages() error {
	for _, f := range []struct {
		field string
		set   bool
	}{
		{"Registration", c.Registration},
		{"SignIn", c.SignIn != nil},
		{"Templates", c.Templates != nil},
	} {
		if f.set && !c.SignInPages {
			return fmt.Errorf("authd: Config.%s needs Config.SignInPages", f.field)
		}
	}
	if c.Registration && !c.ownPasswords() {
		return errors.New("authd: Config.Registration is for the built-in user store, without Config.Authenticator and Config.SignIn")
	}
	return nil
}

// ownPasswords: people sign in in the browser with a password that is kept here.
func (c *Config) ownPasswords() bool { return c.Authenticator == nil && c.SignIn == nil }

func (c *Config) validateLifetimes() error {
	for _, l := range []struct {
		field           string
		value, min, max time.Duration
	}{
		{"AccessTokenTTL", c.AccessTokenTTL, minAccessTTL, maxAccessTTL},
		{"FamilyTTL", c.FamilyTTL, minAccessTTL, maxFamilyTTL},
		{"RefreshTokenTTL", c.RefreshTokenTTL, minAccessTTL, c.FamilyTTL},
	} {
		if l.value < l.min || l.value > l.max || l.value%time.Second != 0 {
			return fmt.Errorf("authd: Config.%s is %s, must be whole seconds from %s to %s", l.field, l.value, l.min, l.max)
		}
	}
	if g := c.RefreshGrace; g != noGrace && (g < 0 || g > maxGrace) {
		return fmt.Errorf("authd: Config.RefreshGrace is %s, must be at most %s, or -1 for none", g, maxGrace)
	}
	return nil
}

// checkIssuer is RFC 8414 §2, and no more than one way to write the same issuer.
func checkIssuer(issuer string, insecure bool) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery ||
		strings.ContainsAny(issuer, "#?") || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be a URL such as https://auth.example.com, without query, fragment and user")
	case strings.HasSuffix(issuer, "/") || u.EscapedPath() != u.Path || strings.Contains(u.Path, "//"):
		return errors.New("must be written without a trailing slash, empty or escaped path segments")
	case u.Scheme == "http" && !insecure && !oauth.IsLoopback(u.Hostname()):
		return errors.New("must be https: tokens would cross the network in clear (http is for loopback addresses)")
	}
	return nil
}

// grace is the window in force; 0 for none.
func (c *Config) grace() time.Duration { return max(c.RefreshGrace, 0) }
