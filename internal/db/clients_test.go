package db_test

import (
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func sum(s string) []byte {
	b := sha256.Sum256([]byte(s))
	return b[:]
}

func TestClientRoundTrip(t *testing.T) {
	t.Parallel()
	d := db.New(dbtest.New(t))
	want := oauth.Client{
		ID: "shop", Name: "Shop", AuthMethod: oauth.SecretPost,
		GrantTypes:   []oauth.GrantType{oauth.ClientCredentials, oauth.RefreshToken},
		RedirectURIs: []string{"https://shop.example/cb"}, PostLogoutRedirectURIs: []string{"https://shop.example/bye"}, AllowedOrigins: []string{"https://shop.example"},
		Scopes: oauth.Scopes{"read", "write"}, Audiences: []string{"https://api.example"},
		AccessTTL: 5 * time.Minute, RefreshTTL: time.Hour, FirstParty: true, ResourceServer: true, PKCEOptional: true, RequirePushedRequests: true,
	}
	if _, err := d.CreateClient(t.Context(), &want, sum("one")); err != nil {
		t.Fatal(err)
	}

	got, now, err := d.Client(t.Context(), "shop")
	if err != nil || now.IsZero() {
		t.Fatalf("got %v at %v", err, now)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(oauth.Client{}, "CreatedAt", "Secrets")); diff != "" {
		t.Error(diff)
	}
	if len(got.Secrets) != 1 || string(got.Secrets[0].SHA256) != string(sum("one")) {
		t.Errorf("secrets %v, want the hash of the first", got.Secrets)
	}
	if _, err := d.CreateClient(t.Context(), &want, nil); !errors.Is(err, db.ErrExists) {
		t.Errorf("a second time: got %v, want ErrExists", err)
	}
}

// a namesake of a deleted client gets a later epoch, and no token of the old one.
func TestNamesakeOfADeletedClient(t *testing.T) {
	t.Parallel()
	d := db.New(dbtest.New(t))
	c := newClient(t, d, "shop")
	if err := d.DeleteClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Client(t.Context(), "shop"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("after deletion: got %v, want ErrNotFound", err)
	}
	if err := d.DeleteClient(t.Context(), "shop"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("deleted twice: got %v, want ErrNotFound", err)
	}
	if _, err := d.CreateClient(t.Context(), &c, nil); err != nil {
		t.Fatal(err)
	}

	again, now, err := d.Client(t.Context(), "shop")
	if err != nil || again.Epoch <= c.Epoch {
		t.Errorf("epoch %d, %v; want a later one than %d", again.Epoch, err, c.Epoch)
	}
	if again.EndedAt == nil || again.EndedAt.Before(now.Truncate(time.Second)) || again.EndedAt.Nanosecond() != 0 {
		t.Errorf("ended at %v, want the deletion, rounded up to the second", again.EndedAt)
	}
	if len(again.Secrets) != 0 {
		t.Error("a secret outlived its client")
	}
}

// Two live secrets, however many callers ask for one at once.
func TestAddClientSecretConcurrently(t *testing.T) {
	t.Parallel()
	d := db.New(dbtest.New(t))
	c := oauth.Client{ID: "shop", AuthMethod: oauth.SecretBasic, GrantTypes: []oauth.GrantType{oauth.ClientCredentials}}
	if _, err := d.CreateClient(t.Context(), &c, sum("first")); err != nil {
		t.Fatal(err)
	}
	var added atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := d.AddClientSecret(t.Context(), "shop", sum(string(rune('a'+i))))
			switch {
			case err == nil:
				added.Add(1)
			case !errors.Is(err, db.ErrTwoSecrets):
				t.Error(err)
			}
		})
	}
	wg.Wait()

	got, _, err := d.Client(t.Context(), "shop")
	if err != nil || len(got.Secrets) != 2 || added.Load() != 1 {
		t.Fatalf("%d secrets after %d additions, %v; want 2 after 1", len(got.Secrets), added.Load(), err)
	}
	if err := d.RemoveClientSecret(t.Context(), "shop", got.Secrets[0].ID); err != nil {
		t.Error(err)
	}
	if _, err := d.AddClientSecret(t.Context(), "shop", sum("third")); err != nil {
		t.Errorf("the freed place is not given again: %v", err)
	}
	if err := d.RemoveClientSecret(t.Context(), "shop", "00000000"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("unknown secret: got %v, want ErrNotFound", err)
	}
}

func TestPublicOrigin(t *testing.T) {
	t.Parallel()
	d := db.New(dbtest.New(t))
	for _, c := range []oauth.Client{
		{ID: "spa", AuthMethod: oauth.AuthNone, RedirectURIs: []string{"https://spa.example/cb"}, AllowedOrigins: []string{"https://www.spa.example"}},
		{ID: "shop", AuthMethod: oauth.SecretBasic, RedirectURIs: []string{"https://shop.example/cb"}},
		{ID: "old", AuthMethod: oauth.AuthNone, AllowedOrigins: []string{"https://old.example"}},
	} {
		c.GrantTypes = []oauth.GrantType{oauth.AuthorizationCode}
		if _, err := d.CreateClient(t.Context(), &c, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.DisableClient(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://spa.example": true, "https://www.spa.example": true, "https://spa.example.evil": false,
		"https://spa": false, "https://shop.example": false, "https://old.example": false, "null": false, "": false,
	} {
		if got, err := d.PublicOrigin(t.Context(), origin); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", origin, got, err, want)
		}
	}
}
