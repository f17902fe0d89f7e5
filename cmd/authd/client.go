package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

type clientsCmd struct {
	Create       clientsCreateCmd       `cmd:"" help:"Register a client and print its secret, once."`
	List         clientsListCmd         `cmd:"" help:"List the clients."`
	Show         clientsShowCmd         `cmd:"" help:"Show a registration."`
	Update       clientsUpdateCmd       `cmd:"" help:"Change a registration: what is given, and nothing else."`
	Delete       clientsDeleteCmd       `cmd:"" help:"Remove a client and end all that it was given."`
	Disable      clientsDisableCmd      `cmd:"" help:"Refuse a client from now on and end all that it was given."`
	Enable       clientsEnableCmd       `cmd:"" help:"Let a disabled client ask for tokens again."`
	AddSecret    clientsAddSecretCmd    `cmd:"" help:"Make a second secret, to change the first without downtime."`
	RemoveSecret clientsRemoveSecretCmd `cmd:"" help:"Take a secret out of use."`
}

type clientID struct {
	ID string `arg:"" help:"Client identifier."`
}

// registrationFlags are pointers or lists, so that an update sees what was given.
type registrationFlags struct {
	Grant          list           `name:"grant" placeholder:"TYPE" help:"Grant types: client_credentials, refresh_token, authorization_code. Default client_credentials; for a public client authorization_code and refresh_token."`
	Scope          list           `name:"scope" placeholder:"SCOPE" help:"All scopes that the client may ask for. None: none."`
	Audience       list           `name:"audience" placeholder:"URI" help:"What its tokens may be for, the first unless it asks for another; of a resource server: whose tokens it may introspect."`
	RedirectURI    list           `name:"redirect-uri" placeholder:"URI" help:"Where people are sent back to, compared exactly."`
	AllowedOrigin  list           `name:"allowed-origin" placeholder:"ORIGIN" help:"Web pages that may call the token endpoint, beside those of the redirect URIs."`
	AuthMethod     *string        `name:"auth-method" placeholder:"METHOD" help:"client_secret_basic (default), client_secret_post or none."`
	AccessTTL      *time.Duration `name:"access-ttl" placeholder:"DURATION" help:"Lifetime of its access tokens, 1m to 1h; 0s for the server's."`
	RefreshTTL     *time.Duration `name:"refresh-ttl" placeholder:"DURATION" help:"How long its refresh tokens may lie unused; 0s for the server's."`
	Name           *string        `name:"name" placeholder:"TEXT" help:"Name for people."`
	FirstParty     *bool          `name:"first-party" negatable:"" help:"May use the account calls (authd serve --accounts)."`
	ResourceServer *bool          `name:"resource-server" negatable:"" help:"May introspect tokens for its audiences."`
}

func (f *registrationFlags) apply(c *authd.Client) {
	for _, l := range []struct {
		from *list
		into *[]string
	}{
		{&f.Grant, &c.GrantTypes}, {&f.Scope, &c.Scopes}, {&f.Audience, &c.Audiences},
		{&f.RedirectURI, &c.RedirectURIs}, {&f.AllowedOrigin, &c.AllowedOrigins},
	} {
		if l.from.given {
			*l.into = l.from.values
		}
	}
	set(&c.AuthMethod, f.AuthMethod)
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
	Origins      []string           `json:"allowed_origins"`
	AuthMethod   string             `json:"token_endpoint_auth_method"`
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
		Audience: orEmpty(c.Audiences), RedirectURIs: orEmpty(c.RedirectURIs), Origins: orEmpty(c.AllowedOrigins),
		AuthMethod: c.AuthMethod, AccessTTL: int64(c.AccessTTL.Seconds()), RefreshTTL: int64(c.RefreshTTL.Seconds()),
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
			"allowed_origins", strings.Join(c.AllowedOrigins, " "), "auth_method", c.AuthMethod,
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

type clientsCreateCmd struct {
	clientID
	Public bool `name:"public" help:"A client that can keep no secret, as in a browser or on a phone: --auth-method none."`
	registrationFlags
	databaseFlags
}

// Help teaches.
func (clientsCreateCmd) Help() string {
	return `Secrets are always generated: none can be chosen. A scope that is not registered is not allowed.

    authd clients create orders --scope "read write" --audience https://api.example.com
    authd clients create api --resource-server --audience https://api.example.com
    authd clients create app --first-party --grant refresh_token --scope read
    authd clients create spa --public --redirect-uri https://app.example.com/callback`
}

// Run registers.
func (c *clientsCreateCmd) Run(a *app) error {
	if c.Public && c.AuthMethod != nil && *c.AuthMethod != "none" {
		return wrongUse("leave one of them out", "--public and --auth-method %s exclude each other", *c.AuthMethod)
	}
	client := authd.Client{ID: c.ID}
	c.apply(&client)
	if c.Public {
		client.AuthMethod = "none"
	}
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		_, secret, err := admin.CreateClient(a.ctx, client)
		if err != nil {
			return named(c.ID, err)
		}
		return a.showWithSecret(admin, c.ID, secret)
	})
}

type clientsListCmd struct{ databaseFlags }

// Help teaches.
func (clientsListCmd) Help() string { return "For example:\n\n    authd clients list --json" }

// Run lists.
func (c *clientsListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		clients, err := admin.Clients(a.ctx)
		if err != nil {
			return err
		}
		return a.show(convert(clients, toClientJSON), func(w io.Writer) {
			table(w, "CLIENT AUTH-METHOD GRANTS SCOPE CREATED DISABLED", convert(clients, clientRow))
		})
	})
}

func clientRow(c authd.Client) []string {
	return []string{
		c.ID, c.AuthMethod, strings.Join(c.GrantTypes, ","), orDash(strings.Join(c.Scopes, ",")), at(c.CreatedAt), maybe(c.DisabledAt),
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type clientsShowCmd struct {
	clientID
	databaseFlags
}

// Help teaches.
func (clientsShowCmd) Help() string { return "For example:\n\n    authd clients show orders" }

// Run shows.
func (c *clientsShowCmd) Run(a *app) error { return c.after(a, c.ID, nil) }

// after does something to a client and shows what it then is.
func (f *databaseFlags) after(a *app, id string, do func(*authd.Admin) error) error {
	return f.admin(a.ctx, func(admin *authd.Admin) error {
		if do != nil {
			if err := do(admin); err != nil {
				return named(id, err)
			}
		}
		client, err := admin.Client(a.ctx, id)
		if err != nil {
			return named(id, err)
		}
		return a.showClient(client, "")
	})
}

type clientsUpdateCmd struct {
	clientID
	registrationFlags
	databaseFlags
}

// Help teaches.
func (clientsUpdateCmd) Help() string {
	return `A list that is given replaces the old one; an empty one clears it. Tokens that are out keep what they were given.

    authd clients update orders --scope read --scope write
    authd clients update orders --audience ""`
}

// Run updates.
func (c *clientsUpdateCmd) Run(a *app) error {
	return c.after(a, c.ID, func(admin *authd.Admin) error {
		_, err := admin.UpdateClient(a.ctx, c.ID, c.apply)
		return err
	})
}

type clientsDeleteCmd struct {
	clientID
	databaseFlags
}

// Help teaches.
func (clientsDeleteCmd) Help() string { return "For example:\n\n    authd clients delete orders" }

// Run deletes.
func (c *clientsDeleteCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		if err := admin.DeleteClient(a.ctx, c.ID); err != nil {
			return named(c.ID, err)
		}
		return a.show(map[string]any{"client_id": c.ID, "deleted": true}, func(w io.Writer) {
			fmt.Fprintf(w, "client %s is deleted, and all that it was given has ended\n", c.ID)
		})
	})
}

type clientsDisableCmd struct {
	clientID
	databaseFlags
}

// Help teaches.
func (clientsDisableCmd) Help() string { return "For example:\n\n    authd clients disable orders" }

// Run disables.
func (c *clientsDisableCmd) Run(a *app) error {
	return c.after(a, c.ID, func(admin *authd.Admin) error { return admin.DisableClient(a.ctx, c.ID) })
}

type clientsEnableCmd struct {
	clientID
	databaseFlags
}

// Help teaches.
func (clientsEnableCmd) Help() string {
	return "Tokens that disabling ended stay ended.\n\n    authd clients enable orders"
}

// Run enables.
func (c *clientsEnableCmd) Run(a *app) error {
	return c.after(a, c.ID, func(admin *authd.Admin) error { return admin.EnableClient(a.ctx, c.ID) })
}
