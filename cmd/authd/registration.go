package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

// registrationFlags are pointers or lists, so that an update sees what was given.
type registrationFlags struct {
	Grant          list           `name:"grant" placeholder:"TYPE" help:"Grant types: client_credentials, refresh_token, authorization_code. Default client_credentials; for a public client authorization_code and refresh_token."`
	Scope          list           `name:"scope" placeholder:"SCOPE" help:"All scopes that the client may ask for. None: none."`
	Audience       list           `name:"audience" placeholder:"URI" help:"What its tokens may be for, the first unless it asks for another; of a resource server: whose tokens it may introspect."`
	RedirectURI    list           `name:"redirect-uri" placeholder:"URI" help:"Where people are sent back to, compared exactly."`
	PostLogoutURI  list           `name:"post-logout-redirect-uri" placeholder:"URI" help:"Where people may be sent after a sign-out that the client asked for, compared exactly."`
	AllowedOrigin  list           `name:"allowed-origin" placeholder:"ORIGIN" help:"Web pages that may call the token endpoint, beside those of the redirect URIs."`
	AuthMethod     *string        `name:"auth-method" placeholder:"METHOD" help:"client_secret_basic (default), client_secret_post, private_key_jwt or none."`
	JWKS           *string        `name:"jwks" placeholder:"FILE" help:"For private_key_jwt: a file with its public keys, as a JWK set. Replaces --jwks-uri."`
	JWKSURI        *string        `name:"jwks-uri" placeholder:"URI" help:"For private_key_jwt: where it publishes them, by https on the open Internet. Replaces --jwks."`
	PKCE           *string        `name:"pkce" placeholder:"required|optional" enum:"required,optional" help:"Whether a confidential client has to use PKCE for authorization codes; without openid and a nonce it has to (required)."`
	RequirePushed  *bool          `name:"require-pushed-requests" negatable:"" help:"Refuse its authorization requests that were not pushed (RFC 9126)."`
	AccessTTL      *time.Duration `name:"access-ttl" placeholder:"DURATION" help:"Lifetime of its access tokens, 1m to 1h; 0s for the server's."`
	RefreshTTL     *time.Duration `name:"refresh-ttl" placeholder:"DURATION" help:"How long its refresh tokens may lie unused; 0s for the server's."`
	Name           *string        `name:"name" placeholder:"TEXT" help:"Name for people."`
	FirstParty     *bool          `name:"first-party" negatable:"" help:"May use the account calls (authd serve --accounts)."`
	ResourceServer *bool          `name:"resource-server" negatable:"" help:"May introspect tokens for its audiences."`
}

// change reads what there is to read, and returns what f does to a registration.
func (f *registrationFlags) change() (func(*authd.Client), error) {
	if f.JWKS != nil && f.JWKSURI != nil {
		return nil, wrongUse("leave one of them out", "--jwks and --jwks-uri exclude each other")
	}
	if f.JWKS == nil {
		return f.apply, nil
	}
	keys, err := os.ReadFile(*f.JWKS)
	return func(c *authd.Client) {
		f.apply(c)
		c.JWKS, c.JWKSURI = keys, ""
	}, err
}

func (f *registrationFlags) apply(c *authd.Client) {
	for _, l := range []struct {
		from *list
		into *[]string
	}{
		{&f.Grant, &c.GrantTypes},
		{&f.Scope, &c.Scopes},
		{&f.Audience, &c.Audiences},
		{&f.RedirectURI, &c.RedirectURIs},
		{&f.PostLogoutURI, &c.PostLogoutRedirectURIs},
		{&f.AllowedOrigin, &c.AllowedOrigins},
	} {
		if l.from.given {
			*l.into = l.from.values
		}
	}
	set(&c.AuthMethod, f.AuthMethod)
	if c.AuthMethod != "private_key_jwt" { // another method leaves the keys behind
		c.JWKS, c.JWKSURI = nil, ""
	}
	if f.JWKSURI != nil {
		c.JWKS, c.JWKSURI = nil, *f.JWKSURI
	}
	if f.PKCE != nil {
		c.PKCEOptional = *f.PKCE == "optional"
	}
	set(&c.RequirePushedRequests, f.RequirePushed)
	set(&c.AccessTTL, f.AccessTTL)
	set(&c.RefreshTTL, f.RefreshTTL)
	set(&c.Name, f.Name)
	set(&c.FirstParty, f.FirstParty)
	set(&c.ResourceServer, f.ResourceServer)
}

func set[T any](into, from *T) {
	if from != nil {
		*into = *from
	}
}

type clientJSON struct {
	ClientID     string             `json:"client_id"`
	ClientSecret string             `json:"client_secret,omitempty"`
	Name         string             `json:"client_name"`
	GrantTypes   []string           `json:"grant_types"`
	Scope        string             `json:"scope"`
	Audience     []string           `json:"audience"`
	RedirectURIs []string           `json:"redirect_uris"`
	PostLogout   []string           `json:"post_logout_redirect_uris"`
	Origins      []string           `json:"allowed_origins"`
	AuthMethod   string             `json:"token_endpoint_auth_method"`
	JWKS         json.RawMessage    `json:"jwks,omitempty"`
	JWKSURI      string             `json:"jwks_uri,omitempty"`
	PKCE         string             `json:"pkce"`
	Pushed       bool               `json:"require_pushed_authorization_requests"`
	AccessTTL    int64              `json:"access_ttl,omitempty"` // seconds; absent: the server's
	RefreshTTL   int64              `json:"refresh_ttl,omitempty"`
	FirstParty   bool               `json:"first_party"`
	Resource     bool               `json:"resource_server"`
	Secrets      []clientSecretJSON `json:"secrets"`
	CreatedAt    time.Time          `json:"created_at"`
	DisabledAt   *time.Time         `json:"disabled_at"`
}

type clientSecretJSON struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
}

func toClientJSON(c authd.Client) clientJSON {
	return clientJSON{
		ClientID: c.ID, Name: c.Name, GrantTypes: orEmpty(c.GrantTypes), Scope: strings.Join(c.Scopes, " "),
		Audience: orEmpty(c.Audiences), RedirectURIs: orEmpty(c.RedirectURIs), PostLogout: orEmpty(c.PostLogoutRedirectURIs),
		Origins: orEmpty(c.AllowedOrigins), AuthMethod: c.AuthMethod, JWKS: c.JWKS, JWKSURI: c.JWKSURI, PKCE: pkceText(c.PKCEOptional), Pushed: c.RequirePushedRequests,
		AccessTTL: int64(c.AccessTTL.Seconds()), RefreshTTL: int64(c.RefreshTTL.Seconds()),
		FirstParty: c.FirstParty, Resource: c.ResourceServer,
		Secrets: convert(c.Secrets, func(s authd.ClientSecret) clientSecretJSON {
			return clientSecretJSON{s.ID, s.CreatedAt.UTC()}
		}),
		CreatedAt: c.CreatedAt.UTC(), DisabledAt: utc(c.DisabledAt),
	}
}

// showClient prints the registration; secret is "" except just after it was made.
func (a *app) showClient(c authd.Client, secret string) error {
	out := toClientJSON(c)
	out.ClientSecret = secret
	return a.show(out, func(w io.Writer) {
		facts(w, "client_id", c.ID, "client_secret", secret, "name", c.Name,
			"grant_types", strings.Join(c.GrantTypes, " "), "scope", strings.Join(c.Scopes, " "),
			"audience", strings.Join(c.Audiences, " "), "redirect_uris", strings.Join(c.RedirectURIs, " "),
			"post_logout_redirect_uris", strings.Join(c.PostLogoutRedirectURIs, " "),
			"allowed_origins", strings.Join(c.AllowedOrigins, " "), "auth_method", c.AuthMethod,
			"jwks", string(c.JWKS), "jwks_uri", c.JWKSURI, "pkce", pkceText(c.PKCEOptional),
			"require_pushed_authorization_requests", yesNo(c.RequirePushedRequests),
			"access_ttl", orNothing(c.AccessTTL), "refresh_ttl", orNothing(c.RefreshTTL),
			"first_party", yesNo(c.FirstParty), "resource_server", yesNo(c.ResourceServer),
			"secrets", strings.Join(convert(c.Secrets, secretText), ", "),
			"created_at", at(c.CreatedAt), "disabled_at", orNever(c.DisabledAt))
		if secret != "" {
			fmt.Fprintln(w, "\nKeep the secret now: it is shown only this once, and only its hash is stored.")
		}
	})
}

// showWithSecret reads the registration again, since it now lists the new secret.
func (a *app) showWithSecret(admin *authd.Admin, id, secret string) error {
	client, err := admin.Client(a.ctx, id)
	if err != nil {
		return named(id, err)
	}
	return a.showClient(client, secret)
}

func pkceText(optional bool) string {
	if optional {
		return "optional"
	}
	return "required"
}

func secretText(s authd.ClientSecret) string { return s.ID + " of " + at(s.CreatedAt) }

func orNothing(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func orNever(t *time.Time) string {
	if t == nil {
		return ""
	}
	return at(*t)
}

// named says which client an error is about.
func named(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("client %q: %w", id, err)
}
