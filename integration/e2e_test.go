package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/testcontainers/testcontainers-go"
)

const audience = "https://api.example"

// patience bounds the wait for a server that reconnects to its database.
const patience = 30 * time.Second

type client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// The life of a token over the image: issued, verified through the JWKS, introspected, revoked.
// Then authd and PostgreSQL are killed and come back: what was revoked stays so, and what was
// not stays valid, which takes the same signing key.
func TestRevocationOutlivesKills(t *testing.T) {
	t.Parallel()
	nw, kek := newNetwork(t), newKEK()
	postgres := startPostgres(t, nw)
	migrate(t, nw, kek)
	authd := startAuthd(t, nw, kek)
	var reports, api client
	authdJSON(t, authd, &reports, "clients", "create", "reports", "--grant", "client_credentials", "--scope", "read", "--audience", audience, "--json")
	authdJSON(t, authd, &api, "clients", "create", "api", "--resource-server", "--audience", audience, "--json")

	revoked, kept := issue(t, authd, reports), issue(t, authd, reports)
	verify(t, authd, reports, revoked)
	verify(t, authd, reports, kept)
	wantActive(t, authd, api, revoked, true)
	revoke(t, authd, reports, revoked)
	check := func(t *testing.T) {
		t.Helper()
		wantActive(t, authd, api, revoked, false)
		wantActive(t, authd, api, kept, true)
		verify(t, authd, reports, kept)
	}

	check(t)
	restart(t, authd)
	check(t)
	restart(t, postgres)
	check(t)
}

// Without its database authd says so: a client that hears 400 or "active": false throws its
// token away. Keys and liveness need no database.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	nw, kek := newNetwork(t), newKEK()
	postgres := startPostgres(t, nw)
	migrate(t, nw, kek)
	authd := startAuthd(t, nw, kek)
	var reports, api client
	authdJSON(t, authd, &reports, "clients", "create", "reports", "--grant", "client_credentials", "--scope", "read", "--audience", audience, "--json")
	authdJSON(t, authd, &api, "clients", "create", "api", "--resource-server", "--audience", audience, "--json")
	token := issue(t, authd, reports)

	kill(t, postgres)

	for path, form := range map[string]url.Values{
		"/oauth2/token":      {"grant_type": {"client_credentials"}},
		"/oauth2/introspect": {"token": {token}},
		"/oauth2/revoke":     {"token": {token}},
	} {
		status, header, _ := post(t, authd, api, path, form)
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q, want 503 with a Retry-After", path, status, header.Get("Retry-After"))
		}
	}
	verify(t, authd, reports, token)
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		if status, _ := get(t, base(t, authd, "8081/tcp", "http")+path); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	start(t, postgres)
	wantActive(t, authd, api, token, true)
}

func issue(t *testing.T, authd *testcontainers.DockerContainer, c client) string {
	t.Helper()
	status, _, body := post(t, authd, c, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}})
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		Scope       string `json:"scope"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK {
		t.Fatalf("token request: status %d, %v", status, err)
	}
	if answer.AccessToken == "" || !strings.EqualFold(answer.TokenType, "Bearer") {
		t.Fatalf("token response has token_type %q and an access token of %d bytes", answer.TokenType, len(answer.AccessToken))
	}
	return answer.AccessToken
}

// verify does what a resource server does (RFC 9068 §4), with go-jose and the published keys.
func verify(t *testing.T, authd *testcontainers.DockerContainer, c client, raw string) {
	t.Helper()
	status, body := get(t, base(t, authd, "8080/tcp", "http")+"/.well-known/jwks.json")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil || status != http.StatusOK {
		t.Fatalf("JWKS: status %d, %v", status, err)
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatalf("access token: %v", err)
	}
	header := token.Headers[0]
	if typ := header.ExtraHeaders[jose.HeaderType]; typ != "at+jwt" {
		t.Errorf("access token has typ %v, want at+jwt (RFC 9068 §2.1)", typ)
	}
	keys := set.Key(header.KeyID)
	if len(keys) != 1 {
		t.Fatalf("JWKS has %d keys %q, want 1", len(keys), header.KeyID)
	}
	var claims jwt.Claims
	if err := token.Claims(keys[0].Key, &claims); err != nil {
		t.Fatalf("signature: %v", err)
	}
	want := jwt.Expected{Issuer: issuer, Subject: c.ID, AnyAudience: jwt.Audience{audience}}
	if err := claims.Validate(want); err != nil || claims.Expiry == nil {
		t.Errorf("claims: %v, exp %v", err, claims.Expiry)
	}
}

func revoke(t *testing.T, authd *testcontainers.DockerContainer, c client, token string) {
	t.Helper()
	if status, _, body := post(t, authd, c, "/oauth2/revoke", url.Values{"token": {token}}); status != http.StatusOK {
		t.Fatalf("revoke: status %d: %s", status, body)
	}
}

// wantActive introspects as a resource server would (RFC 7662): 503 is no answer, it asks again.
func wantActive(t *testing.T, authd *testcontainers.DockerContainer, rs client, token string, want bool) {
	t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	tooLate := time.After(patience)
	for {
		status, _, body := post(t, authd, rs, "/oauth2/introspect", url.Values{"token": {token}})
		if status != http.StatusServiceUnavailable {
			judge(t, status, body, want)
			return
		}
		select {
		case <-again.C:
		case <-tooLate:
			t.Fatalf("introspect: still status 503 after %v", patience)
		}
	}
}

func judge(t *testing.T, status int, body []byte, want bool) {
	t.Helper()
	var answer struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.Active == nil {
		t.Fatalf("introspect: status %d, %v: %s", status, err, body)
	}
	if *answer.Active != want {
		t.Errorf("introspect: active is %v, want %v", *answer.Active, want)
	}
}

func post(t *testing.T, authd *testcontainers.DockerContainer, c client, path string, form url.Values) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base(t, authd, "8080/tcp", "http")+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	return send(t, req)
}

func get(t *testing.T, url string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _, body := send(t, req)
	return status, body
}

func send(t *testing.T, req *http.Request) (int, http.Header, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}
