package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/feed"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// services stands for everything below this package. It authenticates callers as the real
// ones do and answers by what it is asked for; see [fault].
type services struct {
	entered func() // told of each call; may block
}

var (
	_ Grants   = (*grants.Service)(nil)
	_ SignIn   = (*grants.Service)(nil)
	_ Users    = (*grants.Service)(nil)
	_ Tokens   = (*tokens.Service)(nil)
	_ Families = (*tokens.Service)(nil)
	_ KeySet   = (*keys.Rings)(nil)
	_ Feed     = (*feed.Feed)(nil)
	_ Browsing = (*grants.Service)(nil)
	_ UserInfo = (*tokens.Service)(nil)

	_ ResourceServers = (*tokens.Service)(nil)
	_ Clients         = (*clients.Authenticator)(nil)
)

const issuer = "https://auth.example.com"

var errStorage = errors.New("read client: dial tcp 10.0.0.7:5432: password=hunter2 refused")

var registry = map[string]*oauth.Client{
	"shop":   confidential("shop", oauth.SecretBasic, "s3cret"),
	"poster": confidential("poster", oauth.SecretPost, "s3cret"),
	"a:b c":  confidential("a:b c", oauth.SecretBasic, "p%+é:"),
	"api":    {ID: "api", AuthMethod: oauth.SecretBasic, ResourceServer: true, Secrets: secret("s3cret")},
	"app":    {ID: "app", AuthMethod: oauth.AuthNone, FirstParty: true},
	"third":  {ID: "third", AuthMethod: oauth.AuthNone},
	"gone":   {ID: "gone", AuthMethod: oauth.SecretBasic, Secrets: secret("s3cret"), DisabledAt: new(time.Unix(1, 0))},
}

func confidential(id string, method oauth.AuthMethod, s string) *oauth.Client {
	return &oauth.Client{ID: id, AuthMethod: method, Secrets: secret(s), FirstParty: true}
}

func secret(s string) []oauth.ClientSecret {
	sum := sha256.Sum256([]byte(s))
	return []oauth.ClientSecret{{SHA256: sum[:]}}
}

// fault is what the services below may return, by the name of the token or user.
func fault(name string) error {
	switch name {
	case "dead":
		return oauth.Errorf(oauth.InvalidGrant, "the refresh token is not valid any more").Because("family revoked")
	case "foreign":
		return oauth.Errorf(oauth.InvalidGrant, "the token was issued to another client")
	case "flood":
		return oauth.TooMany(1500*time.Millisecond, "too many requests for one family")
	case "storage":
		return errStorage
	case "late":
		return context.DeadlineExceeded
	case "bug":
		return errors.New("sign token: key 7 \"has\" no prime\n\x1b[31mlevel=INFO msg=faked")
	case "panic":
		panic("hunter2")
	case "nil":
		var c *oauth.Client
		return errors.New(c.ID)
	case "mallory":
		return oauth.Errorf(oauth.InvalidCredentials, "user name or password is wrong")
	case "taken":
		return oauth.Errorf(oauth.UsernameTaken, "user name is taken")
	case "weak":
		return oauth.Errorf(oauth.WeakPassword, "password must have at least 15 characters")
	case "guesser":
		return &oauth.Error{Code: oauth.TooManyAttempts, Description: "too many attempts, try again later", RetryAfter: 4 * time.Second}
	}
	return nil
}

func (s services) enter(caller tokens.Caller, name string) (*oauth.Client, error) {
	if s.entered != nil {
		s.entered()
	}
	client := registry[caller.ClientID()]
	if err := caller.Check(client); err != nil {
		return nil, err
	}
	return client, fault(name)
}

// Authenticate takes no assertion for good: what it says stands in package clients.
func (s services) Authenticate(_ context.Context, c clients.Credentials) (clients.Credentials, error) {
	return c, nil
}

func (s services) Token(_ context.Context, caller tokens.Caller, form oauth.Form, _ oauth.Device) (grants.Response, error) {
	scopes, err := oauth.ParseScopes(form.Get("scope"))
	if err != nil {
		return grants.Response{}, err
	}
	switch form.Get("grant_type") {
	case "":
		return grants.Response{}, oauth.Errorf(oauth.InvalidRequest, "grant_type is missing")
	case "client_credentials", "refresh_token":
	default:
		return grants.Response{}, oauth.Errorf(oauth.UnsupportedGrantType, "grant_type is not supported")
	}
	_, err = s.enter(caller, form.Get("refresh_token"))
	return issued(form.Get("refresh_token"), scopes.String()), err
}

func issued(refresh, scope string) grants.Response {
	return grants.Response{AccessToken: "at.<&>.x", TokenType: "Bearer", ExpiresIn: 600, RefreshToken: refresh, Scope: scope}
}

func (s services) signIn(in grants.SignIn, username string) (grants.Response, error) {
	client, err := s.enter(in.Caller, username)
	if err == nil && !client.FirstParty {
		err = firstParty{in.Caller}.Check(client)
	}
	return issued("rt."+username, in.Form.Get("scope")), err
}

func (s services) Login(_ context.Context, in grants.SignIn, username, _ string) (grants.Response, error) {
	return s.signIn(in, username)
}

func (s services) Register(_ context.Context, in grants.SignIn, u authn.NewUser) (grants.Response, error) {
	return s.signIn(in, u.Username)
}

func (s services) ChangePassword(_ context.Context, in grants.SignIn, username, _, _ string) (grants.Response, error) {
	return s.signIn(in, username)
}

// Push keeps what can be parsed.
func (s services) Push(_ context.Context, caller tokens.Caller, form oauth.Form, _ oauth.Device) (grants.Pushed, error) {
	r, refusal := oauth.ParsePushed(caller.ClientID(), form)
	if refusal != nil {
		return grants.Pushed{}, refusal
	}
	_, err := s.enter(caller, r.State)
	return grants.Pushed{RequestURI: oauth.PushedURI("the-request"), ExpiresIn: 90}, err
}

// Authorize parks what can be parsed.
func (s services) Authorize(_ context.Context, query string, _ grants.Browser) (grants.Next, error) {
	r, refusal, fatal := oauth.ParseAuthorization(query)
	if fatal != nil {
		return grants.Next{}, fatal
	}
	if refusal != nil {
		return grants.Next{Step: grants.StepAnswer, Answer: r.Refuse(issuer, refusal)}, nil
	}
	if r.Has(oauth.PromptNone) {
		return grants.Next{Step: grants.StepAnswer, Answer: r.Grant(issuer, "the-code")}, nil
	}
	return grants.Next{Step: grants.StepSignIn, ID: "the-request"}, nil
}

func (s services) Resume(context.Context, string, grants.Browser) (grants.Next, error) {
	return grants.Next{}, oauth.Errorf(oauth.Expired, "this sign-in is over")
}

func (s services) SignInBrowser(context.Context, string, grants.Browser, string, string) (grants.Next, string, error) {
	return grants.Next{}, "", oauth.Errorf(oauth.Expired, "this sign-in is over")
}

func (s services) Consent(context.Context, string, grants.Browser, bool) (grants.Next, error) {
	return grants.Next{}, oauth.Errorf(oauth.Expired, "this sign-in is over")
}

func (s services) EndSession(context.Context, string) error { return nil }

// SignOut knows the ID token "theirs" of client app, and ada's session in each browser that
// has one.
func (s services) SignOut(_ context.Context, query string, b grants.Browser, confirmed bool) (grants.SigningOut, error) {
	r, err := oauth.ParseLogout(query)
	if err != nil {
		return grants.SigningOut{}, err
	}
	out := grants.SigningOut{Request: r, Client: registry["app"]}
	proven := r.IDTokenHint == "theirs"
	if out.Ask = b.Session != "" && !proven && !confirmed; out.Ask {
		out.Username = "ada"
		return out, nil
	}
	registered := r.RedirectURI == "https://app.example.com/bye"
	out.Return = registered && (proven || confirmed)
	out.Link = registered && !out.Return
	return out, nil
}

func (s services) UserInfo(_ context.Context, raw string) (map[string]any, error) {
	switch raw {
	case "live":
		return map[string]any{"sub": "usr_x", "name": "Ada \"<b>\" 에이다", "email_verified": false}, nil
	case "narrow":
		return nil, oauth.Errorf(oauth.InsufficientScope, "the access token lacks the scope openid")
	}
	return nil, s.own(raw)
}

func (s services) Revoke(_ context.Context, caller tokens.Caller, raw, _ string) error {
	_, err := s.enter(caller, raw)
	return err
}

func (s services) Introspect(_ context.Context, caller tokens.Caller, raw string) (tokens.Introspection, error) {
	client, err := s.enter(caller, raw)
	if err != nil {
		return tokens.Introspection{}, err
	}
	if !client.ResourceServer {
		return tokens.Introspection{}, oauth.Errorf(oauth.AccessDenied, "this client is not registered as a resource server")
	}
	if raw != "live" {
		return tokens.Introspection{}, nil
	}
	return tokens.Introspection{
		Active: true, Scope: "orders:read", ClientID: "shop", TokenType: "Bearer", Expiry: 1795000600, IssuedAt: 1795000000,
		NotBefore: 1795000000, Subject: "usr_x", Audience: "https://orders.example.com", Issuer: issuer, ID: "j1", FamilyID: "f1",
	}, nil
}

func (s services) Logout(_ context.Context, raw string) error {
	if s.entered != nil {
		s.entered()
	}
	if raw != "live" {
		return oauth.Errorf(oauth.InvalidToken, "token invalid")
	}
	return nil
}

func (s services) Families(_ context.Context, raw string) (tokens.OwnFamilies, error) {
	if err := s.own(raw); err != nil {
		return tokens.OwnFamilies{}, err
	}
	in, used := time.Unix(1795000000, 0), time.Unix(1795003600, 0)
	laptop := oauth.NewDevice(netip.MustParseAddr("192.0.2.7"), "Mozilla/5.0 (X11)")
	moved := oauth.NewDevice(netip.MustParseAddr("2001:db8::7"), `Mozilla/5.0 "<b>"`)
	return tokens.OwnFamilies{Current: "f1", Families: []oauth.ListedFamily{
		{Family: oauth.Family{ID: "f1", ClientID: "app", CreatedAt: in, RotatedAt: &used}, First: laptop, Last: moved},
		{Family: oauth.Family{ID: "f2", ClientID: "shop", CreatedAt: in}},
	}}, nil
}

func (s services) EndFamily(_ context.Context, raw, id string) error {
	if raw == "stale" && id != "f1" {
		return oauth.Errorf(oauth.NotFresh, "sign in again to end other families")
	}
	return s.own(raw)
}

func (s services) EndOtherFamilies(ctx context.Context, raw string) error {
	return s.EndFamily(ctx, raw, "")
}

// own judges a bearer.
func (s services) own(raw string) error {
	switch raw {
	case "live", "stale":
		return nil
	case "third":
		return registry["third"].CheckFirstParty()
	case "dead":
		return oauth.Errorf(oauth.InvalidToken, "token invalid")
	}
	return fault(raw)
}

func (s services) ResourceServer(_ context.Context, caller tokens.Caller) ([]string, error) {
	client, err := s.enter(caller, "")
	if err != nil {
		return nil, err
	}
	if !client.ResourceServer {
		return nil, oauth.Errorf(oauth.AccessDenied, "this client is not registered as a resource server")
	}
	return []string{"https://orders.example.com"}, nil
}

// Since has news for the cursor "c1", and knows no other.
func (s services) Since(_ context.Context, cursor string, _ []string, wait time.Duration) (feed.Page, error) {
	if err := fault(cursor); err != nil {
		return feed.Page{}, err
	}
	if cursor == "c2" {
		return feed.Page{Next: "c2"}, nil
	}
	at, exp := time.Unix(1795000000, 0), time.Unix(1795003600, 1)
	return feed.Page{Next: "c2", Reset: cursor != "" && cursor != "c1", Entries: []db.FeedEntry{
		{Kind: "sid", ID: "f1", Exp: exp},
		{Kind: "jti", ID: "j1", Exp: exp},
		{Kind: "sub", ID: "usr_x", Before: &at, Exp: exp},
		{Kind: "client_id", ID: "shop", Before: &at, Exp: exp},
		{Kind: "kid", ID: "k1", Exp: exp},
	}}, nil
}

func (services) EndWaits() {}

func (services) JWKS() (keys.Document, error) {
	return keys.Document{
		Body:   []byte(`{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k1","n":"AQAB","e":"AQAB"}]}`),
		ETag:   `"v1"`,
		MaxAge: 5 * time.Minute,
	}, nil
}

// zeros makes every request id the same.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func config(s services) Config {
	return Config{
		Issuer: issuer, Clients: s, Grants: s, SignIn: s, Users: s, Tokens: s, Families: s, Keys: s, Feed: s, ResourceServers: s,
		Browsing: s, UserInfo: s,
		OriginAllowed: func(_ context.Context, origin string) (bool, error) {
			if origin == "https://storage.example" {
				return false, errStorage
			}
			return origin == "https://app.example.com", nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, errStorage) },
		Checks: []Check{
			{"database", func(context.Context) error { return nil }},
			{"signing keys", func(context.Context) error { return nil }},
		},
		Logger: slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return time.Unix(1795000000, 0) },
		Random: zeros{},
	}
}

func newServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
