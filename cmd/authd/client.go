package main

import (
	"fmt"
	"io"
	"strings"

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

type clientsCreateCmd struct {
	clientID
	Public bool `name:"public" help:"A client that can keep no secret, as in a browser or on a phone: --auth-method none."`
	registrationFlags
	databaseFlags
}

// Help teaches.
func (clientsCreateCmd) Help() string {
	return `Secrets are always generated: none can be chosen. With private_key_jwt there is none: the client signs, and only its public key is known here. A scope that is not registered is not allowed.

    authd clients create orders --scope "read write" --audience https://api.example.com
    authd clients create api --resource-server --audience https://api.example.com
    authd clients create app --first-party --grant refresh_token --scope read
    authd clients create spa --public --redirect-uri https://app.example.com/callback
    authd clients create web --grant authorization_code --grant refresh_token --redirect-uri https://web.example.com/callback
    authd clients create billing --auth-method private_key_jwt --jwks billing-public.json`
}

// Run registers.
func (c *clientsCreateCmd) Run(a *app) error {
	if c.Public && c.AuthMethod != nil && *c.AuthMethod != "none" {
		return wrongUse("leave one of them out", "--public and --auth-method %s exclude each other", *c.AuthMethod)
	}
	change, err := c.change()
	if err != nil {
		return err
	}
	client := authd.Client{ID: c.ID}
	change(&client)
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
    authd clients update orders --audience ""

To change a client's key without downtime: give both public keys in one set, let the client sign with the new one, give the new one alone.

    authd clients update billing --jwks billing-both.json`
}

// Run updates.
func (c *clientsUpdateCmd) Run(a *app) error {
	change, err := c.change()
	if err != nil {
		return err
	}
	return c.after(a, c.ID, func(admin *authd.Admin) error {
		_, err := admin.UpdateClient(a.ctx, c.ID, change)
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
