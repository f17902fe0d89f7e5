package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Verifiers of four kinds take the tokens of both replicas, before and after the keys are
// rotated by a third process, with what they have cached.
func TestReplicasShareKeys(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	orders := c.createClient(t, "orders", "--scope", "read")
	verifiers := c.verifiers(t)
	old := []string{issue(t, "http://"+c.a.public, orders), issue(t, "http://"+c.b.public, orders)}
	verifyAll(t, verifiers, old...)

	var rotated struct {
		Access struct{ Previous, Signing string }
	}
	c.authd(t, &rotated, "", "keys", "rotate", "--force")
	tokens := old
	for _, r := range []*replica{c.a, c.b} {
		waitFor(t, "a token of the new key", func() bool {
			token := issue(t, "http://"+r.public, orders)
			tokens = append(tokens, token)
			return kidOf(t, token) == rotated.Access.Signing
		})
	}

	for i, token := range tokens {
		if kid := kidOf(t, token); kid != rotated.Access.Previous && kid != rotated.Access.Signing {
			t.Errorf("token %d has kid %s, which is neither the previous nor the signing key", i, kid)
		}
	}
	verifyAll(t, verifiers, tokens...)
	verifyAll(t, c.verifiers(t), tokens...) // and those that start now
}

// What is no access token of this issuer finds no key, whatever else a verifier forgets.
func TestPyJWTRefuses(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.createApp(t)
	signedIn := signIn(t, c.issuer, app)
	for name, token := range map[string]string{
		"a refresh token": signedIn.Refresh,
		"a changed token": tampered(signedIn.Access),
	} {
		if !c.refusedByPyJWT(t, token) {
			t.Errorf("%s is not refused", name)
		}
	}
}

// golang.org/x/oauth2 gets tokens, keeps them as long as expires_in says, and gets others.
func TestOAuth2ClientCredentials(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	orders := c.createClient(t, "orders", "--scope", "read", "--access-ttl", "2m")
	config := clientcredentials.Config{
		ClientID: orders.ID, ClientSecret: orders.Secret, TokenURL: c.issuer + "/oauth2/token", Scopes: []string{"read"},
	}
	ctx := clientContext(t.Context())
	source := config.TokenSource(ctx)

	first, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	if first.TokenType != "Bearer" || !first.Valid() || first.Extra("expires_in") != 120.0 {
		t.Errorf("the token has type %q, valid %v, expires_in %v; want Bearer, true, 120", first.TokenType, first.Valid(), first.Extra("expires_in"))
	}
	again, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	early := oauth2.ReuseTokenSourceWithExpiry(first, config.TokenSource(ctx), 3*time.Minute) // than its whole life
	refreshed, err := early.Token()
	if err != nil {
		t.Fatal(err)
	}

	if again.AccessToken != first.AccessToken {
		t.Error("a token that is still good was not kept")
	}
	if refreshed.AccessToken == first.AccessToken {
		t.Error("a token near its end was not replaced")
	}
	verifyAll(t, c.verifiers(t), first.AccessToken, refreshed.AccessToken)
}

// golang.org/x/oauth2 follows a refresh token through its generations, over both replicas.
func TestOAuth2Refresh(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.createApp(t)
	config := oauth2.Config{
		ClientID: app.ID, ClientSecret: app.Secret,
		Endpoint: oauth2.Endpoint{TokenURL: c.issuer + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	token := &oauth2.Token{RefreshToken: signIn(t, c.issuer, app).Refresh}
	seen := map[string]bool{token.RefreshToken: true}
	var access []string

	for range 4 {
		var err error
		if token, err = config.TokenSource(clientContext(t.Context()), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err != nil {
			t.Fatal(err)
		}
		if seen[token.RefreshToken] {
			t.Error("a refresh token came a second time")
		}
		seen[token.RefreshToken] = true
		access = append(access, token.AccessToken)
	}

	verifyAll(t, c.verifiers(t), access...)
}

// Grace and reuse are the database's, not a replica's.
func TestRefreshAcrossReplicas(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.createApp(t)
	api := c.createClient(t, "api", "--resource-server")
	first := signIn(t, "http://"+c.a.public, app)

	second := refresh(t, c.b, app, first.Refresh)
	retried := refresh(t, c.a, app, first.Refresh)
	third := refresh(t, c.a, app, second.Refresh)
	stolen := refresh(t, c.b, app, first.Refresh)
	after := refresh(t, c.a, app, third.Refresh)

	if second.status != http.StatusOK || retried.status != http.StatusOK || retried.Refresh != second.Refresh {
		t.Errorf("a retry at the other replica: status %d, the same successor: %v", retried.status, retried.Refresh == second.Refresh)
	}
	if stolen.Error != "invalid_grant" || after.Error != "invalid_grant" {
		t.Errorf("got %q for an older token and %q for the newest after it, want invalid_grant for both", stolen.Error, after.Error)
	}
	for _, r := range []*replica{c.a, c.b} {
		wantActive(t, r, api, third.Access, false)
	}
}

func refresh(t *testing.T, r *replica, as client, token string) tokenAnswer {
	t.Helper()
	return r.post(t, "/oauth2/token", as, map[string]string{"grant_type": "refresh_token", "refresh_token": token})
}

func wantActive(t *testing.T, r *replica, api client, token string, want bool) {
	t.Helper()
	a := r.post(t, "/oauth2/introspect", api, map[string]string{"token": token})
	if a.status != http.StatusOK || a.Active == nil || *a.Active != want {
		t.Errorf("introspection: status %d, active %v, want %v", a.status, a.Active, want)
	}
}

// After a 200 to a revocation no replica says active again, neither for the next request
// nor after all of them were killed.
func TestRevocationIsSeenEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.createApp(t)
	api := c.createClient(t, "api", "--resource-server")
	replicas := []*replica{c.a, c.b}
	var revoked []string
	for i := range 10 {
		token := issue(t, c.issuer, app)
		here, there := replicas[i%2], replicas[(i+1)%2]
		wantActive(t, here, api, token, true)
		wantActive(t, there, api, token, true)

		if a := here.post(t, "/oauth2/revoke", app, map[string]string{"token": token}); a.status != http.StatusOK {
			t.Fatalf("revocation: status %d", a.status)
		}

		wantActive(t, there, api, token, false)
		wantActive(t, here, api, token, false)
		revoked = append(revoked, token)
	}
	kept := issue(t, c.issuer, app)

	c.a.signal(t, syscall.SIGKILL)
	c.b.signal(t, syscall.SIGKILL)
	c.a = c.start(t)

	for _, token := range revoked {
		wantActive(t, c.a, api, token, false)
	}
	wantActive(t, c.a, api, kept, true)
}

// While one replica ends and comes back, no client is refused anything and nobody is
// logged out: what got no answer is asked again of the other one, which gives a refresh
// token that was used the same successor.
func TestReplicaEndsUnderLoad(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		signal syscall.Signal
	}{
		{"by kill -9", syscall.SIGKILL},
		{"by SIGTERM", syscall.SIGTERM},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t)
			app := c.createApp(t)
			load := startLoad(t, c, app)
			load.goesOn(t)

			c.a.signal(t, tt.signal)
			load.goesOn(t)
			if err := c.a.err; tt.signal == syscall.SIGTERM && err != nil {
				t.Errorf("the replica ended with %v, want status 0; its log:\n%s", err, c.a.log.String())
			}
			c.a = c.start(t)
			c.balance()
			load.goesOn(t)

			verifyAll(t, c.verifiers(t), load.stop(t)...)
		})
	}
}

// load is a few people, each of whom refreshes all the time through the balancer.
type load struct {
	cancel context.CancelFunc
	people sync.WaitGroup
	done   []atomic.Int64 // refreshes of each
	access []string       // the last token of each, once they have stopped
}

func startLoad(t *testing.T, c *cluster, app client) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel, done: make([]atomic.Int64, 3), access: make([]string, 3)}
	t.Cleanup(cancel)
	for i := range l.done {
		token := signIn(t, c.issuer, app)
		l.people.Go(func() { l.access[i] = l.refreshAlways(ctx, t, c.issuer, app, token, i) })
	}
	return l
}

func (l *load) refreshAlways(ctx context.Context, t *testing.T, issuer string, app client, token tokenAnswer, i int) string {
	for ctx.Err() == nil {
		next, err := send(issuer+"/oauth2/token", app, map[string]string{"grant_type": "refresh_token", "refresh_token": token.Refresh})
		if err != nil || next.status != http.StatusOK {
			t.Errorf("person %d, refresh %d: status %d, error %q, %v", i, l.done[i].Load(), next.status, next.Error, err)
			return token.Access
		}
		token = next
		l.done[i].Add(1)
	}
	return token.Access
}

// goesOn waits until everybody has done some more.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	for i := range l.done {
		goal := l.done[i].Load() + 5
		waitFor(t, fmt.Sprintf("refreshes of person %d", i), func() bool { return t.Failed() || l.done[i].Load() >= goal })
	}
}

func (l *load) stop(t *testing.T) []string {
	t.Helper()
	l.cancel()
	l.people.Wait()
	return l.access
}
