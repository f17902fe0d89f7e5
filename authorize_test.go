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
