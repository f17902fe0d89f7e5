package authd_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

// A-15, RFC 9700 §4.11.2: nobody can make a client by which to send people somewhere: only
// the operator registers any, and so its errors need no page in between.
func TestNobodyRegistersAClient(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	const stranger = "https://evil.example/cb"
	body := `{"client_name":"x","redirect_uris":["` + stranger + `"]}`

	for _, path := range []string{"/register", "/oauth2/register", "/oauth2/clients", "/connect/register", "/reg"} {
		if a := h.json(path, body); a.status != http.StatusNotFound {
			t.Errorf("POST %s: %d %s", path, a.status, a.raw)
		}
	}
	meta := h.do(h.request(http.MethodGet, "/.well-known/openid-configuration", "", ""))
	if _, ok := meta.body["registration_endpoint"]; ok {
		t.Errorf("the metadata has a registration endpoint: %s", meta.raw)
	}
	for name, more := range map[string]url.Values{
		"prompt=none":    {"prompt": {"none"}},
		"scope=bogus":    {"scope": {"bogus"}},
		"a registration": {"registration": {body}},
	} {
		for _, client := range []string{"x", "app", stranger} {
			more.Set("client_id", client)
			more.Set("redirect_uri", stranger)
			more.Set("response_type", "code")
			if a := p.open("/oauth2/authorize?" + more.Encode()); a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
				t.Errorf("%s by %s: %d to %q", name, client, a.status, a.header.Get("Location"))
			}
		}
	}
}

// A-17, RFC 9101 §10.4: nothing that a request names is fetched, by whatever way it comes.
func TestRequestObjectsAreNotFetched(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	var fetches atomic.Int32
	bait := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetches.Add(1) }))
	t.Cleanup(bait.Close)
	object := "eyJhbGciOiJub25lIiwiamt1IjoiaHR0cDovLzEyNy4wLjAuMSJ9.e30."

	for _, tt := range []struct{ name, value, want string }{
		{"request_uri", bait.URL + "/r", "request_uri_not_supported"},
		{"request_uri", "http://169.254.169.254/", "request_uri_not_supported"},
		{"request", object, "request_not_supported"},
	} {
		got := p.back(p.open(authorizeURL(h, "s", oauth2.GenerateVerifier(), oauth2.SetAuthURLParam(tt.name, tt.value))))
		if got.Get("error") != tt.want || got.Get("state") != "s" {
			t.Errorf("%s %s: %v", tt.name, tt.value, got)
		}
		a := h.form("/oauth2/par", "", "", pushFields(oauth2.GenerateVerifier(), "client_id", "app", tt.name, tt.value)...)
		if a.status != http.StatusBadRequest {
			t.Errorf("%s %s pushed: %d %s", tt.name, tt.value, a.status, a.raw)
		}
	}
	if n := fetches.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// A-31, RFC 9207 §2: every answer names the issuer as the metadata does, which says so: by
// that a client tells it from the answer of another server.
func TestEveryAnswerNamesTheIssuer(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	meta := h.do(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", ""))
	consent := p.signedIn("ada")
	at := func(more ...oauth2.AuthCodeOption) answer {
		return p.open(authorizeURL(h, "s", oauth2.GenerateVerifier(), more...))
	}
	formPost := oauth2.SetAuthURLParam("response_mode", "form_post")
	none := oauth2.SetAuthURLParam("prompt", "none")

	if meta.body["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("metadata %s", meta.raw)
	}
	for name, got := range map[string]url.Values{
		"a code":            p.back(p.submit(consent, "decision", "allow")),
		"a silent code":     p.back(at(none)),
		"a code by form":    fields(at(none, formPost)),
		"an error":          p.back(at(oauth2.SetAuthURLParam("scope", "admin"))),
		"an error by form":  fields(at(oauth2.SetAuthURLParam("scope", "admin"), formPost)),
		"a person's denial": p.back(p.submit(p.follow(at(oauth2.SetAuthURLParam("prompt", "consent"))), "decision", "deny")),
	} {
		if iss := got["iss"]; len(iss) != 1 || iss[0] != meta.body["issuer"] || got.Get("code") == "" && got.Get("error") == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// state comes back as it was, through sign-in and consent.
func TestStateComesBack(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	state := strings.Repeat(`&=+%#"'<>é한 `, 150)[:2048]
	for _, mode := range []string{"query", "form_post"} {
		p := h.person()
		page := p.follow(p.open(authorizeURL(h, state, oauth2.GenerateVerifier(), oauth2.SetAuthURLParam("response_mode", mode))))
		next := p.submit(page, "username", "ada", "password", password)
		if strings.HasPrefix(next.header.Get("Location"), "/consent") {
			next = p.submit(p.follow(next), "decision", "allow")
		}

		got := fields(next)
		if mode == "query" {
			got = p.back(next)
		}
		if got.Get("state") != state || got.Get("code") == "" {
			t.Errorf("%s: state %q came back as %q", mode, state, got.Get("state"))
		}
	}
	p := h.person()
	a := p.open(authorizeURL(h, "x\r\nSet-Cookie: a=b", oauth2.GenerateVerifier()))
	if got := p.back(a); got.Get("error") != "invalid_request" || got.Has("state") || strings.Contains(strings.Join(a.header["Set-Cookie"], " "), "a=b") {
		t.Errorf("CRLF: %v, %v", got, a.header)
	}
}

// OIDC Core §3.1.2.1, §5.5.1.1: display and acr_values are wishes: whatever they say, the
// request is served.
func TestWishesDoNoHarm(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	h.client(authd.Client{
		ID: "rp", AuthMethod: "none", Scopes: []string{"openid"}, RedirectURIs: []string{appCallback},
	})
	cfg, verifier, p := h.config("openid"), oauth2.GenerateVerifier(), h.person()
	cfg.ClientID = "rp"
	u := cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("display", "hologram"),
		oauth2.SetAuthURLParam("acr_values", "urn:mace:incommon:iap:silver phr")) + "&display=wap&acr_values=2"

	signIn := p.follow(p.open(u))
	consent := p.follow(p.submit(signIn, "username", "ada", "password", password))
	token, err := cfg.Exchange(t.Context(), p.back(p.submit(consent, "decision", "allow")).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}

	id, _ := token.Extra("id_token").(string)
	if acr, ok := part(t, id, 1)["acr"]; ok {
		t.Errorf("acr is %v, which nobody can vouch for", acr)
	}
}

// RFC 6749 §4.1.2.1: a page, of which nothing is anybody's markup, and no redirect.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	good := authorizeURL(h, "s", strings.Repeat("v", 43))
	tests := []struct {
		name, path string
		want       int
	}{
		{"unknown client", strings.Replace(good, "client_id=app", "client_id=%3Cscript%3E", 1), 400},
		{"another redirect URI", strings.Replace(good, "app.example.com", "evil.example", 1), 400},
		{"a request that is over", "/login?request=x", 400},
		{"no request, W-15", "/consent", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := p.open(tt.path)

			if a.status != tt.want || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("got %d to %q, %s", a.status, a.header.Get("Location"), a.header.Get("Content-Type"))
			}
			if strings.Contains(a.raw, "<script>") || !strings.Contains(a.raw, a.header.Get("X-Request-Id")) {
				t.Errorf("page %s", a.raw)
			}
		})
	}
}

// W-05, A-20: what changes something is no HEAD, and nobody else's page may call it.
func TestAuthorizeByOtherMethods(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	u := authorizeURL(h, "s", strings.Repeat("v", 43))
	for _, path := range []string{u, "/login", "/consent", "/account"} {
		if a := p.send(http.MethodHead, path, nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Set-Cookie") != "" {
			t.Errorf("HEAD %s: %d", path, a.status)
		}
	}
	p.headers = map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
	for _, method := range []string{http.MethodOptions, http.MethodGet} {
		if a := p.send(method, u, nil); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: CORS headers %v", method, a.header)
		}
	}
	if a := p.send(http.MethodOptions, "/oauth2/authorize", nil); a.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
}

// OIDC Core §3.1.2.1: by POST it is the same, and a repeated parameter is still repeated.
func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	p.headers = map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.com"}
	_, query, _ := strings.Cut(authorizeURL(h, "a b+c", strings.Repeat("v", 43), oauth2.SetAuthURLParam("prompt", "none")), "?")
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}

	if got := p.back(p.follow(p.send(http.MethodPost, "/oauth2/authorize", v))); got.Get("error") != "login_required" || got.Get("state") != "a b+c" {
		t.Errorf("got %v", got)
	}
	v.Add("state", "2")
	if got := p.back(p.follow(p.send(http.MethodPost, "/oauth2/authorize", v))); got.Get("error") != "invalid_request" || got.Has("state") {
		t.Errorf("state twice: %v", got)
	}
	v.Set("state", strings.Repeat("%", 5000))
	if a := p.send(http.MethodPost, "/oauth2/authorize", v); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("15 KiB: %d", a.status)
	}
}

// Form Post Response Mode: the answer is a form, and stands in no address.
func TestFormPost(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()

	a := p.open(authorizeURL(h, `"><script>`, strings.Repeat("v", 43), oauth2.SetAuthURLParam("response_mode", "form_post"), oauth2.SetAuthURLParam("prompt", "none")))

	got := fields(a)
	if a.status != 200 || a.header.Get("Location") != "" || got.Get("error") != "login_required" || got.Get("state") != `"><script>` || got.Get("iss") != h.http.URL {
		t.Errorf("%d, fields %v", a.status, got)
	}
	if action := formAction.FindStringSubmatch(a.raw); action == nil || action[1] != appCallback || strings.Contains(a.raw, `"><script>`) {
		t.Errorf("page %s", a.raw)
	}
}

func TestPagesThatAreOff(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, path := range []string{"/oauth2/authorize", "/oauth2/par", "/login", "/consent", "/account", "/register", "/signed-out"} {
		h.do(h.request(http.MethodGet, path, "", "")).want(t, 404, "not_found")
	}
	h.form("/oauth2/token", "", "", "grant_type", "authorization_code", "client_id", "app", "code", "x").want(t, 400, "unsupported_grant_type")
	off := h.do(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")).body
	on := withPages(t)
	have := on.do(on.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")).body
	for _, member := range []string{
		"authorization_endpoint", "response_types_supported", "response_modes_supported", "code_challenge_methods_supported",
		"authorization_response_iss_parameter_supported", "request_uri_parameter_supported", "pushed_authorization_request_endpoint",
	} {
		if off[member] != nil || have[member] == nil {
			t.Errorf("%s is %v off and %v on", member, off[member], have[member])
		}
	}
}
