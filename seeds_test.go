package authd_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
)

// part decodes the header (0) or the claims (1) of a token.
func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// tutorial is a server as the tutorials would have theirs: one application, one API, Ada.
func tutorial(t *testing.T) (h *harness, api string) {
	t.Helper()
	h = newHarness(t, nil)
	h.client(authd.Client{
		ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, Scopes: []string{"read"},
		Audiences: []string{"https://api.example"}, FirstParty: true,
	})
	api = h.client(authd.Client{ID: "api", ResourceServer: true, Audiences: []string{"https://api.example"}})
	if _, err := h.server.CreateUser(t.Context(), authd.NewUser{Username: "ada", Password: password}); err != nil {
		t.Fatal(err)
	}
	return h, api
}

func (h *harness) signIn() answer {
	h.t.Helper()
	return h.json("/account/login", `{"client_id":"app","username":"ada","password":"`+password+`"}`).want(h.t, 200, "")
}

// What the tutorials' login does with bad input, and what ours says.
func TestSeedLoginErrors(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)
	tests := []struct {
		name, contentType, body string
		status                  int
		code, says              string
	}{
		{"S0-22, S2-15: no JSON", "text/plain", "username=ada", 400, "invalid_request", "request body must be JSON"},
		{"S2-18: broken JSON", "application/json", `{"client_id":`, 400, "invalid_request", "request body must be JSON"},
		{"S1-12, S2-16: no user name", "application/json", `{"client_id":"app","password":"x"}`, 400, "invalid_request", "username is missing"},
		{"S0-07, S2-17, S4-10, M-01: no password, no token", "application/json", `{"client_id":"app","username":"ada"}`, 400, "invalid_request", "password is missing"},
		{"S4-10, S4-11: an identifier instead of credentials", "application/json", `{"client_id":"app","user_id":1}`, 400, "invalid_request", "username is missing"},
		{"S2-20, M-18: a user name that is a number", "application/json", `{"client_id":"app","username":1,"password":"x"}`, 400, "invalid_request", "username must be a string"},
		{"S1-13, S2-19, S3-10: a wrong password", "application/json", `{"client_id":"app","username":"ada","password":"x"}`, 401, "invalid_credentials", "user name or password is wrong"},
		{"S3-09, M-09: an unknown user, in the same words", "application/json", `{"client_id":"app","username":"eve","password":"x"}`, 401, "invalid_credentials", "user name or password is wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := h.do(h.request(http.MethodPost, "/account/login", tt.contentType, tt.body)).want(t, tt.status, tt.code)

			if a.str("error_description") != tt.says {
				t.Errorf("says %q, want %q", a.str("error_description"), tt.says)
			}
			if a.header.Get("Cache-Control") != "no-store" { // M-25
				t.Error("the answer may be cached")
			}
			if a.status == 401 && a.header.Get("WWW-Authenticate") == "" { // M-20
				t.Error("a 401 without WWW-Authenticate")
			}
		})
	}
}

// S0-08, S0-09, S2-21, S3-11: the answer of a sign-in, with its lifetimes (S0-23, S2-05,
// S2-12, S2-13): the access token at most 15 minutes, the refresh token at most 30 days.
// S0-06, S2-14: by a POST of user name and password; S1-15: the token is text; F-03: a refresh token beside it.
func TestSeedTokenAnswer(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)

	a := h.signIn()

	if a.str("token_type") != "Bearer" || a.str("access_token") == "" || a.str("refresh_token") == "" || a.str("scope") != "read" {
		t.Errorf("answer %v", a.body)
	}
	if seconds := a.body["expires_in"].(float64); seconds <= 0 || seconds > 900 {
		t.Errorf("the access token lives %v s", seconds)
	}
	refresh := part(t, a.str("refresh_token"), 1)
	if life := refresh["exp"].(float64) - refresh["iat"].(float64); life <= 0 || life > 30*86400 {
		t.Errorf("the refresh token lives %v s", life)
	}
}

// What an unmodified verifier of the tutorials needs of a token; S0-02, S4-03, S4-19, F-44, F-51, F-73, F-74, F-79, P-01.
// S1-04, S3-01: it is signed, not encrypted: anybody reads it without a key, as part does.
func TestSeedInteropClaims(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)
	secret := h.client(authd.Client{ID: "shop", Audiences: []string{"https://api.example"}})
	in := h.signIn()
	own := h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "")
	metadata := h.do(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")).want(t, 200, "")
	for name, a := range map[string]answer{"sign-in": in, "client_credentials": own} {
		header, c := part(t, a.str("access_token"), 0), part(t, a.str("access_token"), 1)
		checks := map[string]bool{
			"X-01: alg, kid and typ, nothing else": len(header) == 3 && header["alg"] == "RS256" && header["typ"] == "at+jwt" && header["kid"] != "",
			"X-02: iss is the metadata's issuer":   c["iss"] == metadata.str("issuer"),
			"X-03: aud is one string":              c["aud"] == "https://api.example",
			"X-04: sub is a string":                isText(c["sub"]),
			"X-05, S3-19: jti is a string":         isText(c["jti"]),
			"X-06: integers":                       isInteger(c["exp"]) && isInteger(c["iat"]) && isInteger(c["nbf"]),
			"X-06: not in the future":              c["iat"].(float64) <= float64(time.Now().Unix()) && c["nbf"].(float64) <= float64(time.Now().Unix()),
			"X-07: exp after iat":                  c["exp"].(float64) > c["iat"].(float64),
			"X-08: type and fresh":                 c["type"] == "access" && c["fresh"] == (name == "sign-in"),
			"X-11: no csrf":                        c["csrf"] == nil,
			"X-12: client_id and scope":            isText(c["client_id"]) && c["scope"] != nil,
			"X-27: sid where a person signed in":   isText(c["sid"]) == (name == "sign-in"),
			"S3-01, M-21: nothing personal":        !slices.Contains(slices.Collect(maps.Values(c)), any("ada")) && c["username"] == nil && c["email"] == nil,
		}
		for check, ok := range checks {
			if !ok {
				t.Errorf("%s: %s: %v %v", name, check, header, c)
			}
		}
	}
	refresh := part(t, in.str("refresh_token"), 1)
	if part(t, in.str("refresh_token"), 0)["typ"] == "at+jwt" || refresh["type"] != "refresh" || refresh["aud"] != metadata.str("issuer") {
		t.Errorf("X-09, S2-06: a refresh token could be taken for an access token: %v", refresh)
	}
}

func isText(v any) bool { s, ok := v.(string); return ok && s != "" }

func isInteger(v any) bool { n, ok := v.(float64); return ok && n == math.Trunc(n) }

// the JWKS as plain verifiers want it; F-115: those that take the first key, too.
// S0-03, M-04: who verifies cannot sign; P-17, P-23, X-14, X-15: RSA keys for signatures of 2048 bits or more, and nothing else.
func TestSeedInteropJWKS(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)
	a := h.do(h.request(http.MethodGet, "/.well-known/jwks.json", "", "")).want(t, 200, "")
	keys, _ := a.body["keys"].([]any)
	if len(keys) < 2 {
		t.Fatalf("%d keys, want the signing and the announced one", len(keys))
	}
	for _, k := range keys {
		key := k.(map[string]any)
		n, err := base64.RawURLEncoding.DecodeString(key["n"].(string))
		if err != nil || len(n)*8 < 2048 || len(key) != 6 ||
			key["kty"] != "RSA" || key["use"] != "sig" || key["alg"] != "RS256" || key["e"] != "AQAB" || !isText(key["kid"]) {
			t.Errorf("key %v, %v", key, err)
		}
	}
	if first := keys[0].(map[string]any)["kid"]; first != part(t, h.signIn().str("access_token"), 0)["kid"] {
		t.Error("X-17: the signing key is not the first")
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Etag") == "" ||
		a.header.Get("Cache-Control") != "public, max-age=300" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("X-21: headers %v", a.header)
	}
}

// what a blocklist by introspection is told.
func TestSeedInteropIntrospection(t *testing.T) {
	t.Parallel()
	h, api := tutorial(t)
	in := h.signIn()
	c := part(t, in.str("access_token"), 1)

	a := h.form("/oauth2/introspect", "api", api, "token", in.str("access_token"), "token_type_hint", "access_token").want(t, 200, "")

	for _, name := range []string{"jti", "sub", "iss", "aud", "exp", "iat", "scope", "client_id"} {
		if diff := cmp.Diff(c[name], a.body[name]); diff != "" {
			t.Errorf("%s is not the token's own: %s", name, diff)
		}
	}
	if a.body["active"] != true || a.str("token_type") != "Bearer" {
		t.Errorf("answer %v", a.body)
	}
	refresh := h.form("/oauth2/introspect", "api", api, "token", in.str("refresh_token")).want(t, 200, "")
	if diff := cmp.Diff(map[string]any{"active": false}, refresh.body); diff != "" {
		t.Errorf("of a refresh token it says more: %s", diff)
	}
}

// S2-24, S2-25, S2-26, S2-36, F-23, M-15, F-103, F-104: refreshing, by POST, with a token that is for nothing else and
// lives once.
func TestSeedRefresh(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)
	in := h.signIn()
	refresh := func(token string) answer {
		return h.form("/oauth2/token", "", "", "grant_type", "refresh_token", "client_id", "app", "refresh_token", token)
	}

	if a := h.do(h.request(http.MethodGet, "/oauth2/token?grant_type=refresh_token", "", "")); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("GET is %d with %v", a.status, a.header)
	}
	refresh(in.str("access_token")).want(t, 400, "invalid_grant")
	next := refresh(in.str("refresh_token")).want(t, 200, "")
	if next.str("refresh_token") == in.str("refresh_token") || claim(t, next, "sub") != claim(t, in, "sub") {
		t.Error("the refresh token stays, or the subject does not")
	}
	dbtest.SetClock(t, h.pool, time.Minute) // past the window for lost answers
	refresh(in.str("refresh_token")).want(t, 400, "invalid_grant")
	refresh(next.str("refresh_token")).want(t, 400, "invalid_grant")
}

// F-110, F-112, S2-27, S3-17, S3-21, S3-22, S3-24, M-08, M-17: logging out ends all that the sign-in
// gave, may be said twice, and is known to a server that was not there.
func TestSeedLogout(t *testing.T) {
	t.Parallel()
	h, api := tutorial(t)
	in, elsewhere := h.signIn(), h.signIn()
	other := newHarnessOn(t, h.pool, func(c *authd.Config) { c.Issuer = h.http.URL })
	for range 2 {
		h.json("/account/logout", `{"client_id":"app","refresh_token":"`+in.str("refresh_token")+`"}`).want(t, 200, "")
	}

	if other.introspect(api, in.str("access_token")) {
		t.Error("another server knows nothing of the logout")
	}
	if !other.introspect(api, elsewhere.str("access_token")) {
		t.Error("another sign-in of the same user was ended too")
	}
	// S2-07, F-113: and everywhere at once.
	if err := h.server.RevokeSubject(t.Context(), claim(t, in, "sub")); err != nil {
		t.Fatal(err)
	}
	if other.introspect(api, elsewhere.str("access_token")) {
		t.Error("the subject's other sign-in goes on")
	}
}

// F-105: a refresh is no sign-in, and says when that was. S2-28: the access token before it
// lives on, since it ends soon.
func TestSeedFreshness(t *testing.T) {
	t.Parallel()
	h, api := tutorial(t)
	in := h.signIn()
	dbtest.SetClock(t, h.pool, time.Minute)

	next := h.form("/oauth2/token", "", "", "grant_type", "refresh_token", "client_id", "app", "refresh_token", in.str("refresh_token")).want(t, 200, "")

	before, after := part(t, in.str("access_token"), 1), part(t, next.str("access_token"), 1)
	if before["fresh"] != true || after["fresh"] != false || before["auth_time"] == nil || after["auth_time"] != before["auth_time"] {
		t.Errorf("at the sign-in %v %v, after the refresh %v %v", before["fresh"], before["auth_time"], after["fresh"], after["auth_time"])
	}
	if !h.introspect(api, in.str("access_token")) {
		t.Error("the access token of the sign-in ended with the refresh")
	}
}

// S4-02, M-07: times are those of each token, not of the process's start.
func TestSeedTimesOfEachToken(t *testing.T) {
	t.Parallel()
	h, api := tutorial(t)
	before := h.signIn()
	dbtest.SetClock(t, h.pool, time.Hour)

	after := h.signIn()

	moved := part(t, after.str("access_token"), 1)["iat"].(float64) - part(t, before.str("access_token"), 1)["iat"].(float64)
	if moved < 3600 || h.introspect(api, before.str("access_token")) || !h.introspect(api, after.str("access_token")) {
		t.Errorf("iat moved by %v s", moved)
	}
}

// S3-15: what people type is a value and never a part of a statement.
func TestSeedTextIsNoSQL(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)
	for _, text := range []string{`' or '1'='1`, `'; drop schema authd cascade; --`, `$1`, `%s`, `\\'; select 1; --`} {
		for _, name := range []string{"username", "password", "client_id", "scope"} {
			members := map[string]string{"client_id": "app", "username": "ada", "password": password}
			members[name] = text
			body, err := json.Marshal(members)
			if err != nil {
				t.Fatal(err)
			}
			if a := h.json("/account/login", string(body)); a.status != 400 && a.status != 401 {
				t.Errorf("%s %s: got %d %s", name, text, a.status, a.raw)
			}
		}
	}
	h.json("/account/register", `{"client_id":"app","username":"bob","password":"'; drop schema authd cascade; --"}`).want(t, 201, "")
	h.json("/account/login", `{"client_id":"app","username":"bob","password":"'; drop schema authd cascade; --"}`).want(t, 200, "")
}
