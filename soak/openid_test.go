package main

import (
	"crypto/rand"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

const (
	person   = "ada"
	password = "ein Fahrrad ohne Klingel 7"
	callback = "https://shop.example/cb"
)

// A person signs in at a client that nobody here wrote, which checks all that OIDC Core
// §3.1.3.7 has it check.
func TestGoOIDC(t *testing.T) {
	party := serveParty(t)
	issuer := serveOpenID(t, party.URL+"/ended")
	provider, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	client := oauth2.Config{
		ClientID: "shop", RedirectURL: callback, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess},
	}
	client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	verifier := oauth2.GenerateVerifier()

	code, browser := signIn(t, client.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n-1")))
	token, err := client.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	id := verified(t, provider, token)
	if id.Nonce != "n-1" {
		t.Errorf("nonce %q", id.Nonce)
	}

	info, err := provider.UserInfo(t.Context(), client.TokenSource(t.Context(), token))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Name string `json:"preferred_username"`
	}
	if err := info.Claims(&claims); err != nil || claims.Name != person || info.Subject != id.Subject {
		t.Errorf("userinfo of %s: %+v, %v", info.Subject, claims, err)
	}

	again, err := client.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if next := verified(t, provider, again); next.Subject != id.Subject || next.Nonce != "" {
		t.Errorf("after a refresh: subject %s, nonce %q", next.Subject, next.Nonce)
	}

	raw, _ := token.Extra("id_token").(string)
	response, err := browser.Get(issuer + "/oauth2/logout?" + url.Values{"id_token_hint": {raw}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	party.wantLogout(provider, id, raw)
}

// party is the server of client shop, which is told of logouts.
type party struct {
	*httptest.Server
	t      *testing.T
	logout chan string
}

func serveParty(t *testing.T) party {
	t.Helper()
	p := party{t: t, logout: make(chan string, 10)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p.logout <- r.PostFormValue("logout_token") }))
	t.Cleanup(p.Close)
	return p
}

// wantLogout checks the token that comes as OIDC Back-Channel Logout §2.6 has it, and that an ID
// token is none, nor the other way round.
func (p party) wantLogout(provider *oidc.Provider, id *oidc.IDToken, rawID string) {
	p.t.Helper()
	raw := <-p.logout
	verifier := provider.Verifier(&oidc.Config{ClientID: "shop"})
	logout, err := verifier.VerifyLogout(p.t.Context(), raw)
	if err != nil {
		p.t.Fatal(err)
	}
	var claims struct {
		SessionID string `json:"sid"`
	}
	if err := id.Claims(&claims); err != nil || logout.Subject != id.Subject || logout.SessionID != claims.SessionID || logout.SessionID == "" {
		p.t.Errorf("logout of subject %q and session %q, want %q and %q: %v", logout.Subject, logout.SessionID, id.Subject, claims.SessionID, err)
	}
	if _, err := verifier.VerifyLogout(p.t.Context(), rawID); err == nil {
		p.t.Error("an ID token is taken for a logout token")
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "other"}).VerifyLogout(p.t.Context(), raw); err == nil {
		p.t.Error("another client takes it, too")
	}
}

// verified also refuses an ID token of another audience, to see that one is looked at.
func verified(t *testing.T, provider *oidc.Provider, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: "shop"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	if err := id.VerifyAccessToken(token.AccessToken + "x"); err == nil {
		t.Error("at_hash fits another access token")
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "other"}).Verify(t.Context(), raw); err == nil {
		t.Error("another client takes it, too")
	}
	return id
}

// serveOpenID returns the issuer of a server with one user and client shop, which is told of
// logouts at ended.
func serveOpenID(t *testing.T, ended string) string {
	t.Helper()
	address, drop, err := createDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := authd.PoolConfig(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := authd.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	text, err := authd.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kek, err := authd.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}

	var handler http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(web.Close)
	server, err := authd.New(t.Context(), authd.Config{
		Issuer: web.URL, DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek}, SignInPages: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	handler = server.Handler()
	if _, _, err := server.CreateClient(t.Context(), authd.Client{
		ID: "shop", AuthMethod: "none", RedirectURIs: []string{callback}, Scopes: []string{"openid", "profile", "offline_access"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, BackchannelLogoutURI: ended,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.CreateUser(t.Context(), authd.NewUser{Username: person, Password: password}); err != nil {
		t.Fatal(err)
	}
	return web.URL
}

var (
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	action = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
)

// signIn goes through the pages as a browser does, and returns the code and that browser.
func signIn(t *testing.T, start string) (string, *http.Client) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var code string
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), callback) {
			return nil
		}
		code = r.URL.Query().Get("code")
		return http.ErrUseLastResponse
	}}
	response, err := browser.Get(start)
	for range 2 { // the password, the consent
		if err != nil {
			t.Fatal(err)
		}
		at := response.Request.URL
		target, form := filled(t, response)
		if target, err = at.Parse(target.String()); err != nil {
			t.Fatal(err)
		}
		response, err = browser.PostForm(target.String(), form)
	}
	if err != nil || code == "" {
		t.Fatalf("no code: %v", err)
	}
	return code, browser
}

func filled(t *testing.T, page *http.Response) (*url.URL, url.Values) {
	t.Helper()
	defer page.Body.Close()
	raw, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"username": {person}, "password": {password}, "decision": {"allow"}}
	for _, m := range hidden.FindAllStringSubmatch(string(raw), -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	m := action.FindStringSubmatch(string(raw))
	if m == nil {
		t.Fatalf("no form: %d %s", page.StatusCode, raw)
	}
	target, err := url.Parse(html.UnescapeString(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return target, form
}
