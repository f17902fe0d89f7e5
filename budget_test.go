package authd_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/keys/keystest"
)

// cost is what one request may cost, counted. Rows that stay are Inserted less Deleted.
type cost struct {
	Signatures, RoundTrips, Commits int64 // Commits that changed a row
	Inserted, Updated, Deleted      int64
}

func (c cost) minus(d cost) cost {
	return cost{
		c.Signatures - d.Signatures, c.RoundTrips - d.RoundTrips, c.Commits - d.Commits,
		c.Inserted - d.Inserted, c.Updated - d.Updated, c.Deleted - d.Deleted,
	}
}

func TestBudgetPerRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request func(*metered) *http.Request
		want    cost
	}{
		{
			"client_credentials signs once, reads the client and stores nothing",
			func(m *metered) *http.Request { return m.clientCredentials() },
			cost{Signatures: 1, RoundTrips: 1},
		},
		{
			"refresh signs twice and updates one row in place, in two round trips",
			func(m *metered) *http.Request { return m.refresh(m.signIn().Refresh) },
			cost{Signatures: 2, RoundTrips: 2, Commits: 1, Updated: 1},
		},
		{
			"refresh in the grace window costs what a rotation does",
			func(m *metered) *http.Request {
				parent := m.signIn().Refresh
				m.tokens(m.refresh(parent))
				return m.refresh(parent)
			},
			cost{Signatures: 2, RoundTrips: 2, Commits: 1, Updated: 1},
		},
		// Client; attempt and user; family. The throttle's reservation is committed before
		// the password is looked at, whatever becomes of the request, and so beside the
		// family's commit, which takes it back.
		{
			"sign-in by /account/login keeps one family, in three round trips and two commits",
			func(m *metered) *http.Request { return m.login() },
			cost{Signatures: 2, RoundTrips: 3, Commits: 2, Inserted: 2, Deleted: 1},
		},
		// Code, client and session under the code's lock; then family and code, and COMMIT.
		{
			"an exchange of a code signs twice and keeps one family, in two round trips and one commit",
			func(m *metered) *http.Request { return m.exchange(m.code()) },
			cost{Signatures: 2, RoundTrips: 2, Commits: 1, Inserted: 1, Updated: 1},
		},
		{
			"with openid and offline_access it signs an ID token, too",
			func(m *metered) *http.Request { return m.exchangeOpenID() },
			cost{Signatures: 3, RoundTrips: 2, Commits: 1, Inserted: 1, Updated: 1},
		},
		{
			"and so does its refresh",
			func(m *metered) *http.Request { return m.refreshAt("rp", m.tokens(m.exchangeOpenID()).Refresh) },
			cost{Signatures: 3, RoundTrips: 2, Commits: 1, Updated: 1},
		},
		// RFC 7523: the jti; then what an exchange costs.
		{
			"an exchange of a code by an assertion is three round trips and two commits",
			func(m *metered) *http.Request { return m.exchangeAsserted() },
			cost{Signatures: 2, RoundTrips: 3, Commits: 2, Inserted: 2, Updated: 1},
		},
		{
			"userinfo is one read",
			func(m *metered) *http.Request {
				return m.bearer(http.MethodGet, "/oauth2/userinfo", m.tokens(m.exchangeOpenID()).Access, "")
			},
			cost{RoundTrips: 1},
		},
		{
			"introspection of an active token is one read",
			func(m *metered) *http.Request { return m.form("api", "/oauth2/introspect", "token", m.signIn().Access) },
			cost{RoundTrips: 1},
		},
		{
			"introspection of a token without a family is one read",
			func(m *metered) *http.Request {
				return m.form("api", "/oauth2/introspect", "token", m.tokens(m.clientCredentials()).Access)
			},
			cost{RoundTrips: 1},
		},
		{
			"introspection of garbage is one read",
			func(m *metered) *http.Request { return m.form("api", "/oauth2/introspect", "token", "garbage") },
			cost{RoundTrips: 1},
		},
		{
			"revocation of an access token keeps one row, in one commit",
			func(m *metered) *http.Request {
				return m.form("shop", "/oauth2/revoke", "token", m.tokens(m.clientCredentials()).Access)
			},
			cost{RoundTrips: 2, Commits: 1, Inserted: 1},
		},
		{
			"revocation of a refresh token updates its family in place",
			func(m *metered) *http.Request { return m.form("shop", "/oauth2/revoke", "token", m.signIn().Refresh) },
			cost{RoundTrips: 2, Commits: 1, Updated: 1},
		},
		{
			"revocation of garbage writes nothing, RFC 7009 §2.2",
			func(m *metered) *http.Request { return m.form("shop", "/oauth2/revoke", "token", "garbage") },
			cost{RoundTrips: 1},
		},
		// RFC 7523: the jti is committed before anything else happens; then what the call itself
		// costs. The first assertion of a client at a server reads its keys, one round trip more.
		{
			"client_credentials with an assertion keeps its jti, in two round trips and one commit",
			func(m *metered) *http.Request {
				return m.asserted("signer", "/oauth2/token", "grant_type", "client_credentials")
			},
			cost{Signatures: 1, RoundTrips: 2, Commits: 1, Inserted: 1},
		},
		{
			"introspection with an assertion is two round trips and one commit",
			func(m *metered) *http.Request {
				return m.asserted("signer", "/oauth2/introspect", "token", m.tokens(m.clientCredentials()).Access)
			},
			cost{RoundTrips: 2, Commits: 1, Inserted: 1},
		},
		{
			"a list of the own families is one read",
			func(m *metered) *http.Request {
				return m.bearer(http.MethodGet, "/account/families", m.signIn().Access, "")
			},
			cost{RoundTrips: 1},
		},
		{
			"ending one of the own families is a read, and an update in place",
			func(m *metered) *http.Request {
				return m.bearer(http.MethodPost, "/account/families/revoke", m.signIn().Access, `{"id":"`+m.family(m.signIn())+`"}`)
			},
			cost{RoundTrips: 2, Commits: 1, Updated: 1},
		},
		{
			"ending the other two families is a read, and one commit",
			func(m *metered) *http.Request {
				in := m.signIn()
				m.serve(m.bearer(http.MethodPost, "/account/families/revoke", in.Access, `{"others":true}`))
				m.signIn()
				m.signIn()
				return m.bearer(http.MethodPost, "/account/families/revoke", in.Access, `{"others":true}`)
			},
			cost{RoundTrips: 2, Commits: 1, Updated: 2},
		},
		{
			"the JWKS comes from memory",
			func(*metered) *http.Request { return httptest.NewRequest("GET", "/.well-known/jwks.json", nil) },
			cost{},
		},
		{
			"metadata comes from memory",
			func(*metered) *http.Request {
				return httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil)
			},
			cost{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMetered(t)
			m.serve(tt.request(m)) // statements are prepared once per connection
			request := tt.request(m)

			before := m.spent()
			m.serve(request)

			if diff := cmp.Diff(tt.want, m.spent().minus(before)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

const (
	budgetUser     = "sofia"
	budgetPassword = "ein Fahrrad ohne Klingel 7"
	budgetCallback = "https://shop.example/cb"
)

// metered is a server whose cost can be counted: it has one connection, a clock that
// stands still, and no upkeep, so that only requests use the database.
type metered struct {
	t       *testing.T
	srv     *authd.Server
	pool    *pgxpool.Pool // uncounted
	trips   *roundTrips
	secrets map[string]string // by client
	pair    keyPair           // of the client signer
}

func newMetered(t *testing.T) *metered {
	t.Helper()
	url := keystest.URL(t)
	m := &metered{t: t, pool: openPool(t, url, nil), trips: new(roundTrips), secrets: make(map[string]string)}
	kek, err := authd.ParseSecret(keystest.KEK)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	m.srv, err = authd.New(t.Context(), authd.Config{
		Issuer: "https://as.example", DB: openPool(t, url, m.trips), KeyEncryptionKeys: []authd.KeyEncryptor{kek},
		Accounts: true, SignInPages: true, Device: authd.PeerDevice, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.srv.Close() // ends upkeep and nothing else
	m.register(authd.Client{
		ID: "shop", GrantTypes: []string{"client_credentials", "refresh_token", "authorization_code"}, Scopes: []string{"read", "write"},
		Audiences: []string{"https://api.example"}, FirstParty: true, RedirectURIs: []string{budgetCallback},
	})
	m.pair = newKeyPair(t, "1")
	m.register(authd.Client{
		ID: "signer", AuthMethod: "private_key_jwt", JWKS: jwksOf(t, m.pair), Audiences: []string{"https://api.example"}, ResourceServer: true,
		GrantTypes: []string{"client_credentials", "refresh_token", "authorization_code"}, Scopes: []string{"read"}, RedirectURIs: []string{budgetCallback},
	})
	m.register(authd.Client{
		ID: "rp", GrantTypes: []string{"refresh_token", "authorization_code"}, Scopes: []string{"openid", "profile", "offline_access"},
		RedirectURIs: []string{budgetCallback},
	})
	m.register(authd.Client{ID: "api", Audiences: []string{"https://api.example"}, ResourceServer: true})
	if _, err := m.srv.CreateUser(t.Context(), authd.NewUser{Username: budgetUser, Password: budgetPassword}); err != nil {
		t.Fatal(err)
	}
	m.logWrites()
	return m
}

// openPool opens a pool of one connection; trips may be nil.
func openPool(t *testing.T, url string, trips *roundTrips) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 1
	if trips != nil {
		trips.watch(cfg)
	}
	if err := authd.PoolConfig(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (m *metered) register(c authd.Client) {
	m.t.Helper()
	_, secret, err := m.srv.CreateClient(m.t.Context(), c)
	if err != nil {
		m.t.Fatal(err)
	}
	m.secrets[c.ID] = secret
}

// logWrites makes every table of the schema log the rows that are written to it: the
// server's own statistics come late and count for all databases.
func (m *metered) logWrites() {
	m.t.Helper()
	_, err := m.pool.Exec(m.t.Context(), `
create table public.writes (op text not null, xact text not null default pg_current_xact_id()::text);
create function public.log_write() returns trigger language plpgsql as $$
begin
  insert into public.writes (op) values (tg_op);
  return null;
end $$;
do $$
declare t regclass;
begin
  for t in select oid from pg_class where relnamespace = 'authd'::regnamespace and relkind = 'r' loop
    execute format('create trigger log_write after insert or update or delete on %s for each row execute function public.log_write()', t);
  end loop;
end $$`)
	if err != nil {
		m.t.Fatal(err)
	}
}

// spent is the total since the server was made.
func (m *metered) spent() cost {
	m.t.Helper()
	c := cost{Signatures: m.srv.Stats().Signatures, RoundTrips: m.trips.n.Load()}
	err := m.pool.QueryRow(m.t.Context(), `
select count(distinct xact), count(*) filter (where op = 'INSERT'), count(*) filter (where op = 'UPDATE'),
  count(*) filter (where op = 'DELETE')
from public.writes`).Scan(&c.Commits, &c.Inserted, &c.Updated, &c.Deleted)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// serve returns the body of a success.
func (m *metered) serve(r *http.Request) []byte {
	m.t.Helper()
	return m.serveWith(r, http.StatusOK)
}

func (m *metered) serveWith(r *http.Request, status int) []byte {
	m.t.Helper()
	w := httptest.NewRecorder()
	m.srv.Handler().ServeHTTP(w, r)
	if w.Code != status {
		m.t.Fatalf("%s: %d %s", r.URL.Path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// form is a call of a client with its secret; fields alternate names and values.
func (m *metered) form(client, path string, fields ...string) *http.Request {
	body := make(url.Values)
	for i := 0; i < len(fields); i += 2 {
		body.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(body.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, m.secrets[client])
	return r
}

// asserted is a call of a client with an assertion.
func (m *metered) asserted(client, path string, fields ...string) *http.Request {
	r := m.form(client, path, asserted(m.pair.assertion(m.t, client, "https://as.example"), fields...)...)
	r.Header.Del("Authorization")
	return r
}

func (m *metered) clientCredentials() *http.Request {
	return m.form("shop", "/oauth2/token", "grant_type", "client_credentials")
}

func (m *metered) refresh(token string) *http.Request { return m.refreshAt("shop", token) }

func (m *metered) refreshAt(client, token string) *http.Request {
	return m.form(client, "/oauth2/token", "grant_type", "refresh_token", "refresh_token", token)
}

func (m *metered) login() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/account/login",
		strings.NewReader(`{"username":"`+budgetUser+`","password":"`+budgetPassword+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "budget/1.0")
	r.SetBasicAuth("shop", m.secrets["shop"])
	return r
}

// code is one for a person who has just signed in at client shop.
func (m *metered) code() string {
	m.t.Helper()
	return m.codeOf("shop")
}

func (m *metered) codeOf(client string) string {
	m.t.Helper()
	cfg := oauth2.Config{ClientID: client, RedirectURL: budgetCallback, Endpoint: oauth2.Endpoint{AuthURL: "/oauth2/authorize"}}
	begun := m.browse(http.MethodGet, cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(budgetVerifier)), nil, nil)
	cookies := begun.Cookies()
	form := m.formOf(begun, cookies)
	form.Set("username", budgetUser)
	form.Set("password", budgetPassword)
	answer := m.browse(http.MethodPost, "/login", cookies, form)
	if strings.HasPrefix(answer.Header.Get("Location"), "/consent") { // once
		cookies = append(cookies, answer.Cookies()...)
		form = m.formOf(answer, cookies)
		form.Set("decision", "allow")
		answer = m.browse(http.MethodPost, "/consent", cookies, form)
	}
	to, err := answer.Location()
	if err != nil || to.Query().Get("code") == "" {
		m.t.Fatalf("no code: %v, %v", to, err)
	}
	return to.Query().Get("code")
}

// formOf are the hidden fields of the page that a redirect leads to.
func (m *metered) formOf(redirect *http.Response, cookies []*http.Cookie) url.Values {
	m.t.Helper()
	raw, err := io.ReadAll(m.browse(http.MethodGet, redirect.Header.Get("Location"), cookies, nil).Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return fields(answer{raw: string(raw)})
}

const budgetVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func (m *metered) exchange(code string) *http.Request { return m.exchangeAt("shop", code) }

func (m *metered) exchangeOpenID() *http.Request {
	m.t.Helper()
	return m.exchangeAt("rp", m.codeOf("rp"))
}

// exchangeAsserted is of a client that signs.
func (m *metered) exchangeAsserted() *http.Request {
	m.t.Helper()
	return m.asserted("signer", "/oauth2/token", "grant_type", "authorization_code", "code", m.codeOf("signer"),
		"redirect_uri", budgetCallback, "code_verifier", budgetVerifier)
}

func (m *metered) exchangeAt(client, code string) *http.Request {
	return m.form(client, "/oauth2/token", "grant_type", "authorization_code", "code", code,
		"redirect_uri", budgetCallback, "code_verifier", budgetVerifier)
}

func (m *metered) browse(method, target string, cookies []*http.Cookie, form url.Values) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	m.srv.Handler().ServeHTTP(w, r)
	return w.Result()
}

// bearer is a call with an access token.
func (m *metered) bearer(method, path, token, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// family is the one that was begun last.
func (m *metered) family(issued) (id string) {
	m.t.Helper()
	err := m.pool.QueryRow(m.t.Context(), `select id::text from authd.token_families order by created_at desc limit 1`).Scan(&id)
	if err != nil {
		m.t.Fatal(err)
	}
	return id
}

// issued is what the tests need of a token response.
type issued struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func (m *metered) tokens(r *http.Request) issued {
	m.t.Helper()
	var out issued
	if err := json.Unmarshal(m.serve(r), &out); err != nil {
		m.t.Fatal(err)
	}
	return out
}

func (m *metered) signIn() issued {
	m.t.Helper()
	return m.tokens(m.login())
}
