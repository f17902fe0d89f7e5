package clients_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func registry(t *testing.T) (*clients.Registry, *db.DB) {
	t.Helper()
	d := db.New(dbtest.New(t))
	return clients.NewRegistry(d, rand.Reader), d
}

func TestCreateDefaults(t *testing.T) {
	t.Parallel()
	r, d := registry(t)

	shop, secret, err := r.Create(t.Context(), oauth.Client{ID: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	app, none, err := r.Create(t.Context(), oauth.Client{ID: "app", AuthMethod: oauth.AuthNone})
	if err != nil {
		t.Fatal(err)
	}

	if shop.AuthMethod != oauth.SecretBasic || !slices.Equal(shop.GrantTypes, []oauth.GrantType{oauth.ClientCredentials}) {
		t.Errorf("confidential client %+v", shop)
	}
	if !slices.Equal(app.GrantTypes, []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken}) || none != "" {
		t.Errorf("public client %+v", app)
	}
	if !strings.HasPrefix(secret, oauth.SecretPrefix) || len(secret) != len(oauth.SecretPrefix)+43 {
		t.Errorf("secret of %d characters, want the prefix and 256 bits", len(secret))
	}
	kept, _, err := d.Client(t.Context(), "shop")
	if err != nil || len(kept.Secrets) != 1 || strings.Contains(string(kept.Secrets[0].SHA256), secret) {
		t.Errorf("kept %v, %v; want only a hash", kept.Secrets, err)
	}
	if err := authenticate([]string{basic("shop:" + secret)}, nil, &kept); err != nil {
		t.Errorf("the generated secret does not authenticate: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	r, _ := registry(t)
	tests := []struct {
		name   string
		client oauth.Client
		says   string
	}{
		{"no identifier", oauth.Client{}, "client_id"},
		{"J-49: a user's identifier", oauth.Client{ID: "usr_x"}, "client_id"},
		{"a space in the identifier", oauth.Client{ID: "a b"}, "client_id"},
		{"a colon in the identifier, which Basic splits at", oauth.Client{ID: "a:b"}, "client_id"},
		{"an unknown grant type", oauth.Client{ID: "a", GrantTypes: []oauth.GrantType{"password"}}, "grant type"},
		{"client_credentials for a public client, RFC 6749 §4.4", oauth.Client{ID: "a", AuthMethod: oauth.AuthNone, GrantTypes: []oauth.GrantType{oauth.ClientCredentials}}, "public"},
		{"a public resource server", oauth.Client{ID: "a", AuthMethod: oauth.AuthNone, ResourceServer: true}, "resource server"},
		{"an unknown method", oauth.Client{ID: "a", AuthMethod: "tls_client_auth"}, "authentication method"},
		{"a malformed scope", oauth.Client{ID: "a", Scopes: oauth.Scopes{"re ad"}}, "scope"},
		{"an audience with a fragment, RFC 8707 §2", oauth.Client{ID: "a", Audiences: []string{"https://a#b"}}, "audience"},
		{"an audience that its ID tokens would have, X-10", oauth.Client{ID: "a", Scopes: oauth.Scopes{"openid"}, Audiences: []string{"https://b", "a"}}, "ID tokens"},
		{"a post-logout URI with http", oauth.Client{ID: "a", PostLogoutRedirectURIs: []string{"http://a.example/bye"}}, "post-logout redirect URI must be https"},
		{"an audience with NUL", oauth.Client{ID: "a", Audiences: []string{"a\x00"}}, "audience"},
		{"A-04: http that is not loopback", oauth.Client{ID: "a", RedirectURIs: []string{"http://a.example/cb"}}, "https"},
		{"A-04: a fragment", oauth.Client{ID: "a", RedirectURIs: []string{"https://a.example/cb#x"}}, "fragment"},
		{"A-04: a wildcard", oauth.Client{ID: "a", RedirectURIs: []string{"https://*.example/cb"}}, "malformed"},
		{"A-04: a relative URI", oauth.Client{ID: "a", RedirectURIs: []string{"/cb"}}, "absolute"},
		{"A-04: javascript in any case", oauth.Client{ID: "a", RedirectURIs: []string{"JaVaScRiPt:alert(1)"}}, "scheme"},
		{"A-04: data", oauth.Client{ID: "a", RedirectURIs: []string{"data:text/html,x"}}, "scheme"},
		{"A-04: a custom scheme without a dot", oauth.Client{ID: "a", RedirectURIs: []string{"myapp://cb"}}, "scheme"},
		{"A-04: longer than 2 KiB", oauth.Client{ID: "a", RedirectURIs: []string{"https://a.example/" + strings.Repeat("x", 2048)}}, "malformed"},
		{"user information", oauth.Client{ID: "a", RedirectURIs: []string{"https://u:p@a.example/"}}, "user information"},
		{"an origin with a path", oauth.Client{ID: "a", AllowedOrigins: []string{"https://a.example/"}}, "origin"},
		{"an access token that lives too long", oauth.Client{ID: "a", AccessTTL: 2 * time.Hour}, "lifetime"},
		{"an access token that lives under a minute", oauth.Client{ID: "a", AccessTTL: time.Second}, "lifetime"},
		{"a refresh token that lives half a second more", oauth.Client{ID: "a", RefreshTTL: time.Hour + time.Second/2}, "lifetime"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := r.Create(t.Context(), tt.client)

			e, ok := errors.AsType[*oauth.Error](err)
			if !ok || e.Code != oauth.InvalidRequest || !strings.Contains(e.Description, tt.says) {
				t.Errorf("got %v, want a refusal that says %q", err, tt.says)
			}
		})
	}
}

func TestCreateAccepts(t *testing.T) {
	t.Parallel()
	r, _ := registry(t)
	for i, uri := range []string{
		"https://a.example/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:8080/cb", "http://localhost:3000/", "com.example.app:/cb",
	} {
		c := oauth.Client{ID: "client-" + strconv.Itoa(i), RedirectURIs: []string{uri}}
		if _, _, err := r.Create(t.Context(), c); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	if _, _, err := r.Create(t.Context(), oauth.Client{ID: "shop", Scopes: oauth.Scopes{"read"}}); err != nil {
		t.Fatal(err)
	}

	got, err := r.Update(t.Context(), "shop", func(c *oauth.Client) { c.Scopes, c.ID = oauth.Scopes{"write"}, "other" })
	if err != nil || got.ID != "shop" || !slices.Equal(got.Scopes, oauth.Scopes{"write"}) || len(got.Secrets) != 1 {
		t.Errorf("got %+v, %v; want only the scope changed", got, err)
	}
	_, err = r.Update(t.Context(), "shop", func(c *oauth.Client) { c.AuthMethod = oauth.AuthNone })
	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidRequest {
		t.Errorf("a confidential client turned public: %v", err)
	}
	_, err = r.Update(t.Context(), "shop", func(c *oauth.Client) { c.Scopes = oauth.Scopes{`"`} })
	if err == nil {
		t.Error("an update is not validated")
	}
	if kept, _, _ := d.Client(t.Context(), "shop"); !slices.Equal(kept.Scopes, oauth.Scopes{"write"}) {
		t.Errorf("a refused update changed %v", kept.Scopes)
	}
	if _, err := r.Update(t.Context(), "none", func(*oauth.Client) {}); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("unknown client: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	_, first, err := r.Create(t.Context(), oauth.Client{ID: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	added, second, err := r.AddSecret(t.Context(), "shop")
	if err != nil || second == first {
		t.Fatal(err)
	}
	if _, _, err := r.AddSecret(t.Context(), "shop"); !errors.Is(err, db.ErrTwoSecrets) {
		t.Errorf("a third secret: %v", err)
	}
	c, _, _ := d.Client(t.Context(), "shop")
	if c.Secrets[1].ID != added.ID {
		t.Errorf("secrets %v, want the new one last", c.Secrets)
	}
	if err := r.RemoveSecret(t.Context(), "shop", c.Secrets[0].ID); err != nil {
		t.Error(err)
	}
	if err := r.RemoveSecret(t.Context(), "shop", added.ID); !errors.Is(err, clients.ErrLastSecret) {
		t.Errorf("the last secret: %v", err)
	}
	if err := r.RemoveSecret(t.Context(), "shop", "ffffffff"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("an unknown secret: %v", err)
	}
	if _, _, err := r.Create(t.Context(), oauth.Client{ID: "app", AuthMethod: oauth.AuthNone}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.AddSecret(t.Context(), "app"); !errors.Is(err, clients.ErrPublicClient) {
		t.Errorf("a secret of a public client: %v", err)
	}
}
