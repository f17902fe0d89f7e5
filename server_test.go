package authd_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/keys/keystest"
)

// The life of a token, S2-04 and S0-10 to S3-24, S1-02, S3-08: register, sign in, refresh, ask, log out.
func TestLifeOfAToken(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.client(authd.Client{
		ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, Scopes: []string{"read"},
		Audiences: []string{"https://api.example"}, FirstParty: true,
	})
	secret := h.client(authd.Client{ID: "api", ResourceServer: true, Audiences: []string{"https://api.example"}})

	registered := h.json("/account/register", `{"client_id":"app","username":"ada","password":"`+password+`"}`).want(t, 201, "")
	h.json("/account/register", `{"client_id":"app","username":"ADA","password":"`+password+`"}`).want(t, 409, "username_taken")
	h.json("/account/login", `{"client_id":"app","username":"ada","password":"wrong"}`).want(t, 401, "invalid_credentials")
	in := h.json("/account/login", `{"client_id":"app","username":"ada","password":"`+password+`","expires_in":60}`).want(t, 200, "")
	if in.body["expires_in"] != 60.0 || in.str("token_type") != "Bearer" || in.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %v with %v", in.body, in.header)
	}
	next := h.form("/oauth2/token", "", "", "grant_type", "refresh_token", "client_id", "app", "refresh_token", in.str("refresh_token")).want(t, 200, "")
	if !h.introspect(secret, next.str("access_token")) {
		t.Error("the refreshed token is not active")
	}

	ended := len(h.told())
	changed := h.json("/account/password", `{"client_id":"app","username":"ada","password":"`+password+`","new_password":"`+password+` 2"}`).want(t, 200, "")
	if events := h.told()[ended:]; len(events) != 2 || events[0] != (authd.SubjectEnded{Subject: claim(t, in, "sub")}) {
		t.Errorf("a new password told %v, want the subject's end and a grant", events)
	}
	for name, token := range map[string]string{"registration": registered.str("access_token"), "sign-in": in.str("access_token"), "refresh": next.str("access_token")} {
		if h.introspect(secret, token) {
			t.Errorf("the token of the %s outlives the password", name)
		}
	}
	if !h.introspect(secret, changed.str("access_token")) {
		t.Error("the token that the new password gave is not active")
	}

	out := h.request(http.MethodPost, "/account/logout", "", "")
	out.Header.Set("Authorization", "Bearer "+changed.str("access_token"))
	h.do(out).want(t, 200, "")
	if h.introspect(secret, changed.str("access_token")) {
		t.Error("the token outlives the logout")
	}
	h.form("/oauth2/token", "", "", "grant_type", "refresh_token", "client_id", "app", "refresh_token", changed.str("refresh_token")).want(t, 400, "invalid_grant")
}

// M-24, S1-16: no endpoint exists that the configuration did not turn on.
// Flask-JWT J-05: JWT_AUTH_URL_RULE = None.
func TestEndpointsThatAreOff(t *testing.T) {
	t.Parallel()
	plain := newHarness(t, func(c *authd.Config) { c.Accounts = false })
	hosted := newHarness(t, func(c *authd.Config) { c.Authenticator = hostUsers{} })
	for path, want := range map[string][2]int{
		"/account/login": {404, 400}, "/account/logout": {404, 401}, "/account/register": {404, 404}, "/account/password": {404, 404},
		"/account/families/revoke": {404, 401},
		"/auth":                    {404, 404}, "/metrics": {404, 404}, "/debug/pprof/": {404, 404}, "/readyz": {404, 404},
	} {
		if got := plain.json(path, `{}`).status; got != want[0] {
			t.Errorf("accounts off: %s is %d, want %d", path, got, want[0])
		}
		if got := hosted.json(path, `{}`).status; got != want[1] && !(want[1] == 400 && got == 401) {
			t.Errorf("the host's users: %s is %d, want %d", path, got, want[1])
		}
	}
}

// hostUsers knows Ada.
type hostUsers struct{}

var errDown = errors.New("user store is down")

func (hostUsers) Authenticate(_ context.Context, username, pw string) (authd.Subject, error) {
	switch {
	case username == "down":
		return authd.Subject{}, errDown
	case username == "client":
		return authd.Subject{ID: "app"}, nil
	case username == "empty":
		return authd.Subject{}, nil
	case username != "ada" || pw != "pw":
		return authd.Subject{}, fmt.Errorf("host: %w", authd.ErrInvalidCredentials)
	}
	return authd.Subject{ID: "host-1", AMR: []string{"pwd", "otp"}, ACR: "2"}, nil
}

// S0-05, S1-03, S1-14, F-40: users of the host, who says the subject.
// F-01, Flask-JWT J-01, J-04: what JWTManager(app) and JWT(app, authenticate, identity) are given.
func TestHostUsers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(c *authd.Config) { c.Authenticator = hostUsers{} })
	h.client(authd.Client{ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, FirstParty: true})
	tests := []struct {
		name, user string
		before     func() error
		status     int
		code       string
	}{
		{"a good password", "ada", nil, 200, ""},
		{"a bad one", "eve", nil, 401, "invalid_credentials"},
		{"an outage of the host is no refusal", "down", nil, 500, "server_error"},
		{"J-49: a subject that is a client's identifier", "client", nil, 500, "server_error"},
		{"M-01: no subject, no token", "empty", nil, 500, "server_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h.json("/account/login", `{"client_id":"app","username":"`+tt.user+`","password":"pw"}`).want(t, tt.status, tt.code)
		})
	}
}

// F-34, K-14: what is wrong is said at the start, with what to do.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	pool := keystest.Pool(t)
	other, err := authd.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := authd.ParseSecret(other)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*authd.Config)
		says   string
	}{
		{"no database", func(c *authd.Config) { c.DB = nil }, "Config.DB"},
		{"S0-04, M-03: no key-encryption key", func(c *authd.Config) { c.KeyEncryptionKeys = nil }, "Config.KeyEncryptionKeys"},
		{"K-14: another installation's key-encryption key", func(c *authd.Config) { c.KeyEncryptionKeys = []authd.KeyEncryptor{wrong} }, kek(t).ID()},
		{"F-50, M-14: no issuer", func(c *authd.Config) { c.Issuer = "" }, "Config.Issuer"},
		{"an http issuer", func(c *authd.Config) { c.Issuer = "http://as.example" }, "https"},
		{"an issuer with a query, RFC 8414 §2", func(c *authd.Config) { c.Issuer = "https://as.example?x" }, "query"},
		{"an issuer with a trailing slash", func(c *authd.Config) { c.Issuer = "https://as.example/" }, "trailing slash"},
		{"S3-05, M-05: an access token that lives for ever", func(c *authd.Config) { c.AccessTokenTTL = -1 }, "AccessTokenTTL"},
		{"M-06, S3-03, S3-06: an access token that lives two hours", func(c *authd.Config) { c.AccessTokenTTL = 2 * time.Hour }, "AccessTokenTTL"},
		{"a refresh token that outlives its family", func(c *authd.Config) { c.FamilyTTL = time.Hour }, "RefreshTokenTTL"},
		{"a grace window of an hour", func(c *authd.Config) { c.RefreshGrace = time.Hour }, "RefreshGrace"},
		{"a lead that verifiers could miss", func(c *authd.Config) { c.KeyLead = time.Minute }, "1m0s"},
		{"a key of 1024 bits", func(c *authd.Config) { c.KeyBits = 1024 }, "1024"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := authd.Config{Issuer: "https://as.example", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek(t)}}
			tt.change(&cfg)

			srv, err := authd.New(t.Context(), cfg)

			if err == nil {
				_ = srv.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

func TestNewOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.NewEmpty(t)
	cfg := authd.Config{Issuer: "https://as.example", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek(t)}}

	_, err := authd.New(t.Context(), cfg)
	if !errors.Is(err, authd.ErrSchemaVersion) || !strings.Contains(err.Error(), "authd migrate") {
		t.Errorf("got %v, want ErrSchemaVersion and what to run", err)
	}
	if _, err := authd.NewAdmin(t.Context(), pool); !errors.Is(err, authd.ErrSchemaVersion) {
		t.Errorf("NewAdmin: %v", err)
	}
	var schemas int
	if err := pool.QueryRow(t.Context(), `select count(*) from pg_namespace where nspname = 'authd'`).Scan(&schemas); err != nil || schemas != 0 {
		t.Errorf("New changed the schema: %d, %v", schemas, err)
	}
}

// S-07: a database that only reads is refused, one that forgets is warned of.
func TestNewOnUnfitDatabases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, setting string
		says          string // "": New succeeds
		warns         bool
	}{
		{"read only", "default_transaction_read_only = on", "read only", false},
		{"commits that are not waited for", "synchronous_commit = off", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool := keystest.Pool(t)
			_, err := pool.Exec(t.Context(), `do $$ begin execute format('alter database %I set `+tt.setting+`', current_database()); end $$`)
			if err != nil {
				t.Fatal(err)
			}
			pool.Reset()
			var log lockedBuffer
			srv, err := authd.New(t.Context(), authd.Config{
				Issuer: "https://as.example", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek(t)},
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err == nil {
				_ = srv.Close()
			}

			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
			if got := strings.Contains(log.String(), "synchronous_commit"); got != tt.warns {
				t.Errorf("warned: %v, want %v: %s", got, tt.warns, log.String())
			}
		})
	}
}

// H-19, K-12: what the request says of its host changes nothing.
func TestHostHeaders(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	want := h.do(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")).raw
	req := h.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	req.Header.Set("Forwarded", "host=evil.example")

	if got := h.do(req).raw; got != want || strings.Contains(got, "evil") {
		t.Errorf("got %s, want %s", got, want)
	}
}

// S-01: with the database away, everything that needs it is 503 with Retry-After, and what
// verifiers need is served.
// verifiers get the keys while the database is away.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	secret := h.client(authd.Client{ID: "api", ResourceServer: true, Audiences: []string{"https://api.example"}})
	token := h.form("/oauth2/token", "api", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token")
	h.pool.Close()

	for path, pairs := range map[string][]string{
		"/oauth2/token": {"grant_type", "client_credentials"}, "/oauth2/revoke": {"token", token}, "/oauth2/introspect": {"token", token},
	} {
		a := h.form(path, "api", secret, pairs...).want(t, 503, "temporarily_unavailable")
		if a.header.Get("Retry-After") == "" || strings.Contains(a.raw, "pool") {
			t.Errorf("%s: %s with %v", path, a.raw, a.header)
		}
	}
	h.json("/account/login", `{"client_id":"app","username":"ada","password":"x"}`).want(t, 503, "temporarily_unavailable")
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server"} {
		h.do(h.request(http.MethodGet, path, "", "")).want(t, 200, "")
	}
	ops := httptest.NewRecorder()
	h.server.OpsHandler().ServeHTTP(ops, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if ops.Code != 503 {
		t.Errorf("readyz is %d", ops.Code)
	}
	live := httptest.NewRecorder()
	h.server.OpsHandler().ServeHTTP(live, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if live.Code != 200 {
		t.Errorf("healthz is %d", live.Code)
	}
}

// M-10, M-29, S2-35: the log of a whole life, at debug level, holds no credential; nor does the
// database, or any event.
// S2-10: nor a secret of the configuration.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	secret := h.client(authd.Client{
		ID: "shop", GrantTypes: []string{"client_credentials", "refresh_token"}, FirstParty: true, ResourceServer: true,
		Audiences: []string{"https://api.example"}, Scopes: []string{"read"},
	})
	canaries := []string{secret, password, keystest.KEK}
	keep := func(a answer) answer {
		for _, name := range []string{"access_token", "refresh_token"} {
			if s := a.str(name); s != "" {
				canaries = append(canaries, s, strings.Split(s, ".")[2])
			}
		}
		return a
	}
	login := func(pw string) answer {
		req := h.request(http.MethodPost, "/account/login", "application/json", `{"username":"ada","password":"`+pw+`"}`)
		req.SetBasicAuth("shop", secret)
		return keep(h.do(req))
	}
	req := h.request(http.MethodPost, "/account/register", "application/json", `{"username":"ada","password":"`+password+`"}`)
	req.SetBasicAuth("shop", secret)
	keep(h.do(req).want(t, 201, ""))
	in := login(password).want(t, 200, "")
	login(password+"?").want(t, 401, "invalid_credentials")
	next := keep(h.form("/oauth2/token", "shop", secret, "grant_type", "refresh_token", "refresh_token", in.str("refresh_token")).want(t, 200, ""))
	keep(h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, ""))
	h.form("/oauth2/token", "shop", secret+"x", "grant_type", "client_credentials").want(t, 401, "invalid_client")
	h.form("/oauth2/token", "shop", secret, "grant_type", "refresh_token", "refresh_token", next.str("refresh_token")+"x").want(t, 400, "invalid_grant")
	h.form("/oauth2/introspect", "shop", secret, "token", next.str("access_token")).want(t, 200, "")
	h.form("/oauth2/revoke", "shop", secret, "token", next.str("refresh_token")).want(t, 200, "")
	if _, err := h.server.RotateKeys(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	h.do(h.request(http.MethodGet, "/oauth2/token?code="+secret, "", "")) // even where a client puts it wrongly

	h.mu.Lock()
	events := fmt.Sprintf("%+v", h.events)
	h.mu.Unlock()
	for where, text := range map[string]string{"log": h.log.String(), "database": dump(t, h.pool), "events": events} {
		if len(text) < 200 {
			t.Errorf("%s of %d bytes was searched, which is not all", where, len(text))
		}
		for _, c := range canaries {
			if strings.Contains(text, c) {
				t.Errorf("the %s holds %q", where, c)
			}
		}
		for _, member := range []string{`"d":`, `"p":`, `"q":`, `"dp":`, `"dq":`, `"qi":`, "PRIVATE KEY"} { // K-04
			if strings.Contains(text, member) {
				t.Errorf("the %s holds a private member %s", where, member)
			}
		}
	}
}

// dump is every row of schema authd as text.
func dump(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var tables []string
	err := pool.QueryRow(t.Context(), `select array_agg(tablename::text) from pg_tables where schemaname = 'authd'`).Scan(&tables)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		var text string
		err := pool.QueryRow(t.Context(), `select coalesce(string_agg(r::text, ' '), '') from authd.`+table+` r`).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(text)
	}
	return all.String()
}
