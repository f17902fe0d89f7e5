package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

type consentsCmd struct {
	List     consentsListCmd     `cmd:"" help:"List what a person has allowed applications."`
	Withdraw consentsWithdrawCmd `cmd:"" help:"Take back what a person has allowed an application."`
}

type consentJSON struct {
	Sub       string    `json:"sub"`
	ClientID  string    `json:"client_id"`
	Scope     string    `json:"scope"`
	AllowedAt time.Time `json:"allowed_at"`
}

type consentsListCmd struct {
	subjectArg
	databaseFlags
}

// Help teaches.
func (consentsListCmd) Help() string { return "For example:\n\n    authd consents list usr_…" }

// Run lists.
func (c *consentsListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		consents, err := admin.Consents(a.ctx, c.Subject)
		if err != nil {
			return err
		}
		out := convert(consents, func(c authd.Consent) consentJSON {
			return consentJSON{c.Subject, c.ClientID, strings.Join(c.Scopes, " "), c.AllowedAt.UTC()}
		})
		return a.show(out, func(w io.Writer) {
			table(w, "CLIENT SCOPE ALLOWED", convert(consents, func(c authd.Consent) []string {
				return []string{c.ClientID, orDash(strings.Join(c.Scopes, ",")), at(c.AllowedAt)}
			}))
		})
	})
}

type consentsWithdrawCmd struct {
	subjectArg
	Client string `arg:"" help:"Identifier of the client."`
	databaseFlags
}

// Help teaches.
func (consentsWithdrawCmd) Help() string {
	return `It ends the families that the client has of the person, and the client has to ask again. A first-party client asks for nothing: disable it, or the person.

    authd consents withdraw usr_… spa`
}

// Run withdraws.
func (c *consentsWithdrawCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		if err := admin.WithdrawConsent(a.ctx, c.Subject, c.Client); err != nil {
			return fmt.Errorf("consent of %q to %q: %w", c.Subject, c.Client, err)
		}
		return a.show(map[string]any{"sub": c.Subject, "client_id": c.Client, "withdrawn": true}, func(w io.Writer) {
			fmt.Fprintf(w, "the consent is withdrawn: tokens of %s for %s are refused, and it has to ask again\n", c.Client, c.Subject)
		})
	})
}
