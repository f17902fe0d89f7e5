// Package web speaks HTTP and nothing else: routes, the boundary where errors become
// answers, one log line per request, and one file per endpoint. What a request means is
// decided below it.
package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
	"github.com/go-authd/authd/internal/web/pages"
)

// Clients verifies what takes time to verify of a client's credentials. What it returns is
// checked as all credentials are.
type Clients interface {
	Authenticate(ctx context.Context, c clients.Credentials) (clients.Credentials, error)
}

// Grants serves the token endpoint.
type Grants interface {
	Token(ctx context.Context, caller tokens.Caller, form oauth.Form, from oauth.Device) (grants.Response, error)
}

// SignIn checks people's passwords, whoever keeps them.
type SignIn interface {
	Login(ctx context.Context, in grants.SignIn, username, password string) (grants.Response, error)
}

// Users is the built-in user store.
type Users interface {
	Register(ctx context.Context, in grants.SignIn, u authn.NewUser) (grants.Response, error)
	ChangePassword(ctx context.Context, in grants.SignIn, username, password, newPassword string) (grants.Response, error)
}

// Browsing answers authorization requests, step by step.
type Browsing interface {
	Push(ctx context.Context, caller tokens.Caller, form oauth.Form, from oauth.Device) (grants.Pushed, error)
	Authorize(ctx context.Context, query string, b grants.Browser) (grants.Next, error)
	Resume(ctx context.Context, id string, b grants.Browser) (grants.Next, error)
	SignInBrowser(ctx context.Context, id string, b grants.Browser, username, password string) (next grants.Next, session string, err error)
	Consent(ctx context.Context, id string, b grants.Browser, allow bool) (grants.Next, error)
	EndSession(ctx context.Context, session string) error
	SignOut(ctx context.Context, query string, b grants.Browser, confirmed bool) (grants.SigningOut, error)
}

// UserInfo tells a client about the person that an access token speaks for.
type UserInfo interface {
	UserInfo(ctx context.Context, raw string) (map[string]any, error)
}

// Own is the account of who is signed in in a browser. It refuses with [oauth.LoginRequired]
// where nobody is, and with [oauth.NotFresh] what takes another sign-in.
type Own interface {
	Account(ctx context.Context, b grants.Browser) (grants.Own, error)
	EndDevice(ctx context.Context, b grants.Browser, id string) error
	EndOtherDevices(ctx context.Context, b grants.Browser) error
	RemoveConsent(ctx context.Context, b grants.Browser, client string) error
}

// Passwords changes the password of who is signed in in a browser.
type Passwords interface {
	ChangeOwnPassword(ctx context.Context, b grants.Browser, password, newPassword string) (session string, err error)
}

// Registering makes accounts at people's own wish.
type Registering interface {
	RegisterBrowser(ctx context.Context, id string, b grants.Browser, u authn.NewUser) (next grants.Next, session string, err error)
}

// Vouching signs in whom the host has authenticated.
type Vouching interface {
	VouchedBrowser(ctx context.Context, id string, b grants.Browser, who oauth.Authentication) (next grants.Next, session string, err error)
}

// Tokens ends tokens and tells of them.
type Tokens interface {
	Revoke(ctx context.Context, caller tokens.Caller, raw, reason string) error
	Introspect(ctx context.Context, caller tokens.Caller, raw string) (tokens.Introspection, error)
	Logout(ctx context.Context, raw string) error
}

// Families lists and ends the families of the subject that an access token speaks for.
type Families interface {
	Families(ctx context.Context, raw string) (tokens.OwnFamilies, error)
	EndFamily(ctx context.Context, raw, id string) error
	EndOtherFamilies(ctx context.Context, raw string) error
}

// KeySet is where the JWKS comes from: from memory, without waiting.
type KeySet interface {
	JWKS() (keys.Document, error)
}

// Config configures [New]. Issuer, Clients, Grants, Tokens and Keys are required.
type Config struct {
	// Issuer is the issuer identifier, already validated. Every URL in the metadata
	// begins with it, whatever Host and X-Forwarded-… say.
	Issuer  string
	Clients Clients
	Grants  Grants
	Tokens  Tokens
	Keys    KeySet
	// Feed and ResourceServers serve /oauth2/revocations. Nil: it does not exist.
	Feed            Feed
	ResourceServers ResourceServers
	// SignIn turns /account/login and /account/logout on. Nil: they do not exist.
	SignIn SignIn
	// Families turns /account/families on. Nil: it does not exist.
	Families Families
	// Users turns /account/register and /account/password on. Nil: they do not exist.
	Users Users
	// Browsing turns /oauth2/authorize, /oauth2/par, /oauth2/logout and their pages on. Nil: they do not
	// exist.
	Browsing Browsing
	// Own turns the page /account on, Passwords its form for the password, and Registering
	// the page /register. Each needs Browsing. Nil: it does not exist.
	Own         Own
	Passwords   Passwords
	Registering Registering
	// HostSignIn takes the place of the sign-in page, and Vouching then signs people in.
	// Nil: the page is ours.
	HostSignIn func(http.ResponseWriter, *http.Request, SignInRequest)
	Vouching   Vouching
	// UserInfo serves /oauth2/userinfo, and is required with Browsing. HostClaims: it may have
	// any standard claim.
	UserInfo   UserInfo
	HostClaims bool
	// Templates replace pages by files of the same name; nil: none.
	Templates fs.FS
	// OriginAllowed reports whether a public client has a redirect URI or an allowed
	// origin of this origin, which is well formed. Nil: none has.
	OriginAllowed func(ctx context.Context, origin string) (bool, error)
	// Device is asked with each sign-in and token request where it came from, to be kept
	// with the family. Nil: nothing is kept.
	Device func(*http.Request) oauth.Device
	// Unavailable reports whether an error is a storage fault: 503 instead of 500.
	Unavailable func(error) bool
	// Checks make /readyz fail. They run one after the other, within 2 s in all.
	Checks []Check

	// Logger gets one line per request. Default [slog.Default].
	Logger *slog.Logger
	// Now measures durations. Default [time.Now].
	Now func() time.Time
	// Random is what request ids are made of. Default [rand.Reader].
	Random io.Reader
	// OnRequest, if set, is told of each request after its answer. It must not block.
	OnRequest func(context.Context, RequestInfo)
}

// Server serves the endpoints.
type Server struct {
	cfg      Config
	path     string // of the issuer, "" or "/tenant"
	metadata document
	slots    chan struct{} // one per request at work
	servers  sync.Map      // *http.Server whose shutdown ends waits
	public   http.Handler
	ops      http.Handler

	// Nil and zero without Config.Browsing.
	pages   *pages.Pages
	cookies cookies
	origins *http.CrossOriginProtection
}

// New does no I/O. It returns an error for an issuer whose path cannot be a route.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	u, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if strings.ContainsAny(u.Path, "*{}") {
		return nil, fmt.Errorf("issuer %q: its path must not contain an asterisk or braces", cfg.Issuer)
	}
	s := &Server{cfg: cfg, path: u.Path, slots: make(chan struct{}, maxAtWork)}
	if s.metadata, err = newMetadata(&cfg); err != nil {
		return nil, err
	}
	routes := s.publicRoutes()
	if cfg.Browsing != nil {
		if err := s.turnPagesOn(u); err != nil {
			return nil, err
		}
		routes = append(routes, s.pageRoutes()...)
	}
	s.public = s.observe(wholePath(s.newRouter(routes)))
	s.ops = s.observe(wholePath(s.newRouter(s.opsRoutes())))
	return s, nil
}

func (s *Server) turnPagesOn(issuer *url.URL) (err error) {
	s.cookies = newCookies(issuer)
	if s.origins, err = newOriginCheck(issuer); err != nil {
		return err
	}
	s.pages, err = pages.New(s.cfg.Issuer, s.cfg.Templates)
	return err
}

func (c Config) withDefaults() Config {
	if c.OriginAllowed == nil {
		c.OriginAllowed = func(context.Context, string) (bool, error) { return false, nil }
	}
	if c.Device == nil {
		c.Device = func(*http.Request) oauth.Device { return oauth.Device{} }
	}
	if c.Unavailable == nil {
		c.Unavailable = func(error) bool { return false }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.OnRequest == nil {
		c.OnRequest = func(context.Context, RequestInfo) {}
	}
	return c
}

// Handler serves the endpoints. It matches the whole path, the issuer's included.
func (s *Server) Handler() http.Handler { return s.public }

// OpsHandler serves /healthz and /readyz, which the public has no business with.
func (s *Server) OpsHandler() http.Handler { return s.ops }

// Limits of a connection. Together with [requestTimeout], an answer is written before
// the last of them ends it: 10 s to read, 8 s to work.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 20 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
)

// HTTPServer returns a server for h that slow and huge requests cannot use up: 5 s for a
// header of at most 16 KiB, 10 s for a whole request, 20 s until it is answered, 60 s idle.
func HTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// "OPTIONS *" is answered as any other path that does not exist.
		DisableGeneralOptionsHandler: true,
	}
}
