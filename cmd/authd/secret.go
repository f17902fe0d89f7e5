package main

import "github.com/go-authd/authd"

type clientsAddSecretCmd struct {
	clientID
	databaseFlags
}

// Help teaches.
func (clientsAddSecretCmd) Help() string {
	return `A client has one or two secrets, and both work. To change one: add the second, give it to the client's program, remove the first.

    authd clients add-secret orders`
}

// Run adds.
func (c *clientsAddSecretCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		_, secret, err := admin.AddClientSecret(a.ctx, c.ID)
		if err != nil {
			return named(c.ID, err)
		}
		return a.showWithSecret(admin, c.ID, secret)
	})
}

type clientsRemoveSecretCmd struct {
	clientID
	SecretID string `arg:"" name:"secret-id" help:"Identifier of the secret, as authd clients show prints it."`
	databaseFlags
}

// Help teaches.
func (clientsRemoveSecretCmd) Help() string {
	return "For example:\n\n    authd clients show orders\n    authd clients remove-secret orders 1a2b3c4d"
}

// Run removes.
func (c *clientsRemoveSecretCmd) Run(a *app) error {
	return c.after(a, c.ID, func(admin *authd.Admin) error { return admin.RemoveClientSecret(a.ctx, c.ID, c.SecretID) })
}
