package grants_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

const (
	issuer = "https://as.example"
	grace  = 30 * time.Second
)

// anyone is an Authenticator that believes everybody.
type anyone struct{}

func (anyone) Authenticate(_ context.Context, username, _ string) (oauth.Authentication, error) {
	return oauth.Authentication{Subject: username, Time: time.Now(), AMR: []string{"pwd"}}, nil
}

var _ grants.Authenticator = anyone{}

// fixture is one server over one database.
type fixture struct {
	t         *testing.T
	pool      *pgxpool.Pool
	db        *db.DB
	rings     *keys.Rings
	tokens    *tokens.Service
	grants    *grants.Service
	secret    string // of confidential client shop
	webSecret string

	mu         sync.Mutex
	events     []tokens.Event
	challenges []string // clients that were told of
}

// options of a server under test.
type options struct {
	grace  time.Duration
	claims func(context.Context, oauth.Grant) (map[string]any, error)
	users  grants.Authenticator
}

// setup has the clients shop (confidential), app (public), blog (confidential, of nobody's
// tokens) and api (a resource server).
func setup(t *testing.T) *fixture {
	t.Helper()
	return setupWith(t, options{grace: grace})
}

func setupWith(t *testing.T, o options) *fixture {
	t.Helper()
	pool := keystest.Pool(t)
	f := serve(t, pool, o)
	all := []oauth.GrantType{oauth.ClientCredentials, oauth.RefreshToken}
	f.secret = f.register(oauth.Client{
		ID: "shop", GrantTypes: all, Scopes: oauth.Scopes{"read", "write"},
		Audiences: []string{"https://api.example", "https://other.example"}, FirstParty: true,
	})
	f.register(oauth.Client{
		ID: "app", AuthMethod: oauth.AuthNone, GrantTypes: []oauth.GrantType{oauth.RefreshToken}, Scopes: oauth.Scopes{"read", "write"},
		Audiences: []string{"https://api.example"}, FirstParty: true,
	})
	f.register(oauth.Client{ID: "api", ResourceServer: true, Audiences: []string{"https://api.example"}})
	return f
}

// serve adds a server to a database: a replica of the others.
func serve(t *testing.T, pool *pgxpool.Pool, o options) *fixture {
	t.Helper()
	f := &fixture{t: t, pool: pool, db: db.New(pool), rings: keystest.Rings(t, pool)}
	f.build(o)
	return f
}

// build makes the services.
func (f *fixture) build(o options) {
	f.tokens = tokens.New(tokens.Config{
		DB: f.db, Keys: f.rings, Issuer: issuer, Grace: o.grace, RefreshTTL: 14 * 24 * time.Hour, FamilyTTL: 90 * 24 * time.Hour,
		Random: rand.Reader, OnEvent: f.record,
	})
	users := authn.New(authn.Config{DB: f.db, Random: rand.Reader})
	cfg := grants.Config{
		DB: f.db, Keys: f.rings, Tokens: f.tokens, Issuer: issuer, AccessTTL: 10 * time.Minute,
		Authenticator: anyone{}, Accounts: users, Random: rand.Reader, Claims: o.claims, Codes: true,
		OnConstantChallenge: f.recordChallenge,
	}
	if o.users != nil {
		cfg.Authenticator = o.users
	}
	f.grants = grants.New(cfg)
}

func (f *fixture) record(_ context.Context, e tokens.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

func (f *fixture) recordChallenge(_ context.Context, client string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.challenges = append(f.challenges, client)
}

// register returns the secret, "" for a public client.
func (f *fixture) register(c oauth.Client) string {
	f.t.Helper()
	_, secret, err := clients.NewRegistry(f.db, rand.Reader).Create(f.t.Context(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	return secret
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

// shop's credentials.
func (f *fixture) shop() clients.Credentials { return basic(f.t, "shop", f.secret) }

func basic(t *testing.T, id, secret string) clients.Credentials {
	t.Helper()
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	c, err := clients.ParseCredentials([]string{header}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asPublic are the credentials of a client that only names itself.
func asPublic(id string) clients.Credentials {
	c, err := clients.ParseCredentials(nil, oauth.Form{"client_id": id})
	if err != nil {
		panic(err)
	}
	return c
}

// login signs in at the public client app.
func (f *fixture) login(subject string) grants.Response {
	f.t.Helper()
	r, err := f.grants.Login(f.t.Context(), grants.SignIn{Caller: asPublic("app")}, subject, "")
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// refresh is the token request of client app.
func (f *fixture) refresh(token string) (grants.Response, error) {
	return f.refreshAt(asPublic("app"), token, nil)
}

func (f *fixture) refreshAt(c tokens.Caller, token string, more oauth.Form) (grants.Response, error) {
	form := oauth.Form{"grant_type": "refresh_token", "refresh_token": token}
	for k, v := range more {
		form[k] = v
	}
	return f.grants.Token(f.t.Context(), c, form, oauth.Device{})
}

func (f *fixture) mustRefresh(token string) grants.Response {
	f.t.Helper()
	r, err := f.refresh(token)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// introspect asks as the resource server api.
func (f *fixture) introspect(secret, token string) tokens.Introspection {
	f.t.Helper()
	i, err := f.tokens.Introspect(f.t.Context(), basic(f.t, "api", secret), token)
	if err != nil {
		f.t.Fatal(err)
	}
	return i
}

// apiSecret gives the resource server a second secret, which a test knows.
func (f *fixture) apiSecret() string {
	f.t.Helper()
	_, secret, err := clients.NewRegistry(f.db, rand.Reader).AddSecret(f.t.Context(), "api")
	if err != nil {
		f.t.Fatal(err)
	}
	return secret
}

// refused fails unless err is a refusal with code.
func refused(t *testing.T, err error, code oauth.Code) *oauth.Error {
	t.Helper()
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || e.Code != code {
		t.Fatalf("got %v, want a refusal with %s", err, code)
	}
	return e
}

// claims reads a token without checking it.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no compact JWS", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// revokedReason is "" while the family lives.
func (f *fixture) revokedReason() string {
	f.t.Helper()
	var reason string
	err := f.pool.QueryRow(f.t.Context(), `select coalesce(max(revoked_reason), '') from authd.token_families`).Scan(&reason)
	if err != nil {
		f.t.Fatal(err)
	}
	return reason
}

func itoa(n int) string { return strconv.Itoa(n) }
