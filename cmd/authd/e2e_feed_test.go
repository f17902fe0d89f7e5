package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/go-authd/authd/rs"
)

// What is ended at one of three replicas is refused by a resource server that verifies
// offline, and that follows the feed at whichever replica the balancer sends it to.
// the feed.
func TestOfflineVerifiersHearOfRevocations(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	third := c.start(t)
	replicas := []*replica{c.a, c.b, third}
	c.balancer.use(c.a.public, c.b.public, third.public)
	app := c.createApp(t)
	api := c.createClient(t, "api", "--resource-server")
	offline := c.follower(t, api)
	good := func(token string) bool {
		_, err := offline.Verify(t.Context(), token)
		if err != nil && !errors.Is(err, rs.ErrRevoked) {
			t.Errorf("offline: %v", err)
		}
		return err == nil
	}

	var took []time.Duration
	for i, r := range replicas {
		kept := issue(t, "http://"+r.public, app)
		single := issue(t, "http://"+r.public, app)
		family := signIn(t, c.issuer, app)
		for name, token := range map[string]string{"kept": kept, "single": single, "family": family.Access} {
			if !good(token) {
				t.Fatalf("replica %d: the token %q is refused before anything was ended", i, name)
			}
		}
		for _, ended := range []struct{ revoked, dead string }{{single, single}, {family.Refresh, family.Access}} {
			if a := r.post(t, "/oauth2/revoke", app, map[string]string{"token": ended.revoked}); a.status != http.StatusOK {
				t.Fatalf("revocation: status %d", a.status)
			}
			since := time.Now()
			waitFor(t, fmt.Sprintf("replica %d: a revoked token to be refused offline", i), func() bool { return !good(ended.dead) })
			took = append(took, time.Since(since))
		}
		if !good(kept) {
			t.Errorf("replica %d: a token that nobody ended is refused", i)
		}
	}
	t.Logf("%d revocations were heard of after %s to %s (aim: 2 s)", len(took), slices.Min(took), slices.Max(took))
}

// Who waits at a replica that ends is answered, and goes on at the others.
func TestFeedOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.createApp(t)
	api := c.createClient(t, "api", "--resource-server")
	offline := c.follower(t, api)
	token := issue(t, c.issuer, app)

	c.balancer.use(c.b.public)
	c.a.signal(t, syscall.SIGTERM)
	if c.a.err != nil {
		t.Errorf("the replica ended with %v, want status 0; its log:\n%s", c.a.err, c.a.log.String())
	}
	if a := c.b.post(t, "/oauth2/revoke", app, map[string]string{"token": token}); a.status != http.StatusOK {
		t.Fatalf("revocation: status %d", a.status)
	}

	waitFor(t, "the revocation to be heard of", func() bool {
		_, err := offline.Verify(t.Context(), token)
		return errors.Is(err, rs.ErrRevoked)
	})
}

// follower verifies offline and follows the feed, wherever the balancer sends it.
func (c *cluster) follower(t *testing.T, api client) *rs.Verifier {
	t.Helper()
	feed, err := rs.NewFeed(t.Context(), rs.FeedConfig{Issuer: c.issuer, ClientID: api.ID, ClientSecret: api.Secret, OnStale: rs.Refuse})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = feed.Close() })
	offline, err := rs.New(t.Context(), rs.Config{Issuer: c.issuer, Audience: apiAudience, Revocation: feed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = offline.Close() })
	return offline
}
