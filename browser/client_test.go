package browser

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

// client is an application with a web server of its own. Its library checks what OIDC Core
// §3.1.3.7 has it check.
type client struct {
	oauth2.Config
	http     *http.Client
	provider *oidc.Provider

	mu     sync.Mutex
	visits map[string]*visit // by state
}

// visit is one authorization request and what came of it.
type visit struct {
	state, verifier, nonce string

	mu      sync.Mutex
	answers []url.Values
	idToken string
}

func newClient(ctx context.Context, registration authd.Client, issuer, at string, web *http.Client) (*client, error) {
	_, secret, err := admin.CreateClient(ctx, registration)
	if err != nil {
		return nil, err
	}
	c := &client{http: web, visits: map[string]*visit{}}
	if c.provider, err = oidc.NewProvider(oidc.ClientContext(ctx, web), issuer); err != nil {
		return nil, err
	}
	c.Config = oauth2.Config{
		ClientID: registration.ID, ClientSecret: secret, RedirectURL: at + "/callback", Endpoint: c.provider.Endpoint(),
	}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if secret == "" {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return c, nil
}

// begin returns a request and where it begins. more are parameters of it.
func (c *client) begin(scopes []string, more url.Values) (*visit, string) {
	v := &visit{state: rand.Text(), verifier: oauth2.GenerateVerifier(), nonce: rand.Text()}
	c.mu.Lock()
	c.visits[v.state] = v
	c.mu.Unlock()
	cfg := c.Config
	cfg.Scopes = scopes
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(v.verifier), oidc.Nonce(v.nonce)}
	for name := range more {
		options = append(options, oauth2.SetAuthURLParam(name, more.Get(name)))
	}
	return v, cfg.AuthCodeURL(v.state, options...)
}

// ServeHTTP serves the pages of the application.
func (c *client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case "/callback":
		c.arrive(w, r)
	case "/bye":
		show(w, "Goodbye", r.Form.Get("state"))
	default:
		http.NotFound(w, r)
	}
}

func (c *client) arrive(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	v := c.visits[r.Form.Get("state")]
	c.mu.Unlock()
	if v == nil {
		show(w, "Failed", "state is unknown")
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers = append(v.answers, r.Form)
	subject, err := c.finish(r.Context(), v, r.Form)
	switch {
	case err != nil:
		show(w, "Failed", err.Error())
	case subject == "":
		show(w, "Refused", r.Form.Get("error"))
	default:
		show(w, "Welcome", subject)
	}
}

// finish returns the subject, "" if the client was refused. It does so once for each state.
func (c *client) finish(ctx context.Context, v *visit, answer url.Values) (subject string, err error) {
	switch {
	case len(v.answers) > 1:
		return "", errors.New("this answer was used before")
	case answer.Get("iss") != c.issuer(): // RFC 9207 §2.4
		return "", fmt.Errorf("iss is %q", answer.Get("iss"))
	case answer.Get("error") != "":
		return "", nil
	}
	ctx = oidc.ClientContext(ctx, c.http)
	token, err := c.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(v.verifier))
	if err != nil {
		return "", err
	}
	v.idToken, _ = token.Extra("id_token").(string)
	id, err := c.provider.VerifierContext(ctx, &oidc.Config{ClientID: c.ClientID}).Verify(ctx, v.idToken)
	if err != nil {
		return "", err
	}
	if id.Nonce != v.nonce {
		return "", errors.New("nonce is another request's")
	}
	return id.Subject, nil
}

func (c *client) issuer() string {
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	_ = c.provider.Claims(&metadata) // they were parsed at the start
	return metadata.Issuer
}

func show(w http.ResponseWriter, heading, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><html lang=en><title>%[1]s</title><h1>%[1]s</h1><p id=text>%[2]s</p>", heading, html.EscapeString(text))
}

// answer returns the only one that came to the client.
func (v *visit) answer(t *testing.T) url.Values {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.answers) != 1 {
		t.Fatalf("%d answers came to the client, want 1", len(v.answers))
	}
	return v.answers[0]
}

// arrived returns how many answers came to the client.
func (v *visit) arrived() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.answers)
}
