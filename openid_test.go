package authd_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

const appGoodbye = "https://app.example.com/bye"

// withOpenID is withPages with the public OpenID Connect client rp.
func withOpenID(t *testing.T) *harness {
	t.Helper()
	h := withPages(t)
	h.client(authd.Client{
		ID: "rp", AuthMethod: "none", Name: "Shop", Scopes: []string{"openid", "profile", "email", "offline_access"},
		RedirectURIs: []string{appCallback}, PostLogoutRedirectURIs: []string{appGoodbye},
	})
	return h
}

func (h *harness) openID(scopes ...string) *oauth2.Config {
	c := h.config(scopes...)
	c.ClientID = "rp"
	return c
}

// signInAt signs ada in at client rp, and returns what it gets.
func (p *person) signInAt(scopes ...string) *oauth2.Token {
	p.t.Helper()
	verifier := oauth2.GenerateVerifier()
	a := p.open(p.openID(scopes...).AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "n")))
	if strings.HasPrefix(a.header.Get("Location"), "/login") {
		a = p.submit(p.follow(a), "username", "ada", "password", password)
	}
	if strings.HasPrefix(a.header.Get("Location"), "/consent") {
		a = p.submit(p.follow(a), "decision", "allow")
	}
	token, err := p.openID().Exchange(p.t.Context(), p.back(a).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

func idToken(token *oauth2.Token) string {
	raw, _ := token.Extra("id_token").(string)
	return raw
}

// From the sign-in to the sign-out, as a client sees it.
func TestOpenIDConnect(t *testing.T) {
	t.Parallel()
	h := withOpenID(t)
	p := h.person()

	token := p.signInAt("openid", "profile", "email")
	id := part(t, idToken(token), 1)
	if id["aud"] != "rp" || id["nonce"] != "n" || id["iss"] != h.http.URL || token.RefreshToken != "" {
		t.Errorf("ID token %v, refresh token %t", id, token.RefreshToken != "")
	}

	info := h.bearer(http.MethodGet, "/oauth2/userinfo", token.AccessToken, "")
	var claims map[string]any
	if err := json.Unmarshal([]byte(info.raw), &claims); err != nil || info.status != http.StatusOK {
		t.Fatalf("userinfo: %d %s", info.status, info.raw)
	}
	if diff := cmp.Diff(map[string]any{"sub": id["sub"], "preferred_username": "ada"}, claims); diff != "" {
		t.Errorf("userinfo: -want +got\n%s", diff)
	}

	out := p.open("/oauth2/logout?" + url.Values{"id_token_hint": {idToken(token)}, "post_logout_redirect_uri": {appGoodbye}, "state": {"x y"}}.Encode())
	if to := out.header.Get("Location"); out.status != http.StatusSeeOther || to != appGoodbye+"?state=x+y" {
		t.Errorf("sign-out: %d to %q", out.status, to)
	}
	if a := h.bearer(http.MethodGet, "/oauth2/userinfo", token.AccessToken, ""); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo afterwards: %d", a.status)
	}
	silent := p.back(p.open(p.openID("openid").AuthCodeURL("s", oauth2.S256ChallengeOption("v"), oauth2.SetAuthURLParam("prompt", "none"))))
	if silent.Get("error") != "login_required" {
		t.Errorf("silently afterwards: %v", silent)
	}
}

// W-10: a page that asks, and both answers to it.
func TestSignOutIsConfirmed(t *testing.T) {
	t.Parallel()
	h := withOpenID(t)
	p := h.person()
	p.signInAt("openid")
	path := "/oauth2/logout?" + url.Values{"client_id": {"rp"}, "post_logout_redirect_uri": {appGoodbye}, "state": {`"><script>`}}.Encode()

	ask := p.open(path)
	if ask.status != http.StatusOK || !strings.Contains(ask.raw, "ada") || strings.Contains(ask.raw, "<script>") || ask.header.Get("Set-Cookie") != "" {
		t.Fatalf("the page: %d %s", ask.status, ask.raw)
	}
	if a := p.submit(ask, "decision", "deny"); a.status != http.StatusOK || !strings.Contains(a.raw, "still signed in") || a.header.Get("Set-Cookie") != "" {
		t.Errorf("to stay: %d %s", a.status, a.raw)
	}
	forged := fields(ask)
	forged.Set("decision", "allow")
	forged.Set("request", strings.Replace(forged.Get("request"), "state", "stat", 1))
	if a := p.send(http.MethodPost, "/logout", forged); a.status != http.StatusOK || a.header.Get("Set-Cookie") != "" {
		t.Errorf("a form of another request: %d to %q", a.status, a.header.Get("Location"))
	}
	p.headers = map[string]string{"Sec-Fetch-Site": "cross-site"}
	if a := p.submit(ask, "decision", "allow"); a.status != http.StatusForbidden {
		t.Errorf("from another site: %d", a.status)
	}
	p.headers = nil

	a := p.submit(ask, "decision", "allow")

	if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to != appGoodbye+"?state=%22%3E%3Cscript%3E" {
		t.Errorf("to sign out: %d to %q", a.status, to)
	}
	if a := p.open(path); a.status != http.StatusOK || !strings.Contains(a.raw, "signed out") {
		t.Errorf("once more: %d %s", a.status, a.raw)
	}
}

// a resource server refuses an ID token, also one that takes the client for its audience.
func TestResourceServersRefuseIDTokens(t *testing.T) {
	t.Parallel()
	h := withOpenID(t)
	token := h.person().signInAt("openid")
	for _, audience := range []string{"rp", h.http.URL} {
		v, err := rs.New(t.Context(), rs.Config{Issuer: h.http.URL, Audience: audience})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })

		if _, err := v.Verify(t.Context(), idToken(token)); err == nil {
			t.Errorf("audience %s: an ID token was taken", audience)
		}
		if _, err := v.Verify(t.Context(), token.AccessToken); (err == nil) != (audience == h.http.URL) {
			t.Errorf("audience %s: an access token: %v", audience, err)
		}
	}
}

// A host's claims are advertised where there is a host that has some.
func TestMetadataOfHostClaims(t *testing.T) {
	t.Parallel()
	for _, host := range []bool{false, true} {
		h := newHarness(t, func(c *authd.Config) {
			if c.SignInPages = true; host {
				c.UserInfo = func(context.Context, string, []string) (map[string]any, error) { return nil, nil }
			}
		})
		a := h.do(h.request(http.MethodGet, "/.well-known/openid-configuration", "", ""))
		var m struct {
			Scopes []string `json:"scopes_supported"`
			Claims []string `json:"claims_supported"`
		}
		if err := json.Unmarshal([]byte(a.raw), &m); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(m.Scopes, " "), "address phone") && strings.Contains(strings.Join(m.Claims, " "), "phone_number"); got != host {
			t.Errorf("host %t: scopes %v, claims %v", host, m.Scopes, m.Claims)
		}
	}
}

// OIDC Discovery §3: what is not on is not advertised.
func TestOpenIDThatIsOff(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, path := range []string{"/oauth2/userinfo", "/oauth2/logout", "/logout"} {
		h.do(h.request(http.MethodPost, path, "", "")).want(t, 404, "not_found")
	}
	const document = "/.well-known/openid-configuration"
	off := h.do(h.request(http.MethodGet, document, "", "")).body
	on := withPages(t)
	have := on.do(on.request(http.MethodGet, document, "", "")).body
	for _, member := range []string{
		"userinfo_endpoint", "end_session_endpoint", "scopes_supported", "subject_types_supported",
		"id_token_signing_alg_values_supported", "claims_supported", "prompt_values_supported", "ui_locales_supported",
		"backchannel_logout_supported", "backchannel_logout_session_supported",
	} {
		if off[member] != nil || have[member] == nil {
			t.Errorf("%s is %v off and %v on", member, off[member], have[member])
		}
	}
}
