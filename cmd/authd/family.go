package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

type familiesCmd struct {
	List   familiesListCmd   `cmd:"" help:"List the newest families, at most 1000."`
	Revoke familiesRevokeCmd `cmd:"" help:"End a family and the access tokens of it."`
}

type familyJSON struct {
	ID            string     `json:"id"`
	Sub           string     `json:"sub"`
	ClientID      string     `json:"client_id"`
	Scope         string     `json:"scope"`
	Generation    int64      `json:"generation"`
	CreatedAt     time.Time  `json:"created_at"`
	RotatedAt     *time.Time `json:"rotated_at"`
	ExpiresAt     time.Time  `json:"expires_at"`
	RevokedAt     *time.Time `json:"revoked_at"`
	RevokedReason *string    `json:"revoked_reason"`
	First         deviceJSON `json:"first"`
	Last          deviceJSON `json:"last"`
}

// deviceJSON has null for what was not kept.
type deviceJSON struct {
	Address   *string `json:"address"`
	UserAgent *string `json:"user_agent"`
}

func toDeviceJSON(d authd.Device) (out deviceJSON) {
	if d.Address.IsValid() {
		out.Address = new(d.Address.String())
	}
	if d.UserAgent != "" {
		out.UserAgent = &d.UserAgent
	}
	return out
}

func toFamilyJSON(f authd.Family) familyJSON {
	out := familyJSON{
		ID: f.ID, Sub: f.Subject, ClientID: f.ClientID, Scope: strings.Join(f.Scopes, " "), Generation: f.Generation,
		CreatedAt: f.CreatedAt.UTC(), RotatedAt: utc(f.RotatedAt), ExpiresAt: f.ExpiresAt.UTC(), RevokedAt: utc(f.RevokedAt),
		First: toDeviceJSON(f.First), Last: toDeviceJSON(f.Last),
	}
	if f.RevokedReason != "" {
		out.RevokedReason = &f.RevokedReason
	}
	return out
}

const familyHeading = "ID SUB CLIENT SCOPE GENERATION CREATED ROTATED EXPIRES REVOKED REASON"

func familyRow(f authd.Family) []string {
	return []string{
		f.ID, f.Subject, f.ClientID, orDash(strings.Join(f.Scopes, ",")), strconv.FormatInt(f.Generation, 10),
		at(f.CreatedAt), maybe(f.RotatedAt), at(f.ExpiresAt), maybe(f.RevokedAt), orDash(f.RevokedReason),
	}
}

const deviceHeading = " FIRST-ADDRESS FIRST-USER-AGENT LAST-ADDRESS LAST-USER-AGENT"

func deviceRow(f authd.Family) []string {
	return append(familyRow(f), addressOrDash(f.First), orDash(f.First.UserAgent), addressOrDash(f.Last), orDash(f.Last.UserAgent))
}

func addressOrDash(d authd.Device) string {
	if !d.Address.IsValid() {
		return "-"
	}
	return d.Address.String()
}

// familyTable has columns for devices only where some are kept.
func familyTable(w io.Writer, families []authd.Family) {
	if slices.ContainsFunc(families, func(f authd.Family) bool { return f.First != authd.Device{} || f.Last != authd.Device{} }) {
		table(w, familyHeading+deviceHeading, convert(families, deviceRow))
		return
	}
	table(w, familyHeading, convert(families, familyRow))
}

type familiesListCmd struct {
	Subject string `name:"subject" placeholder:"SUB" help:"Only those of this subject: where a person is signed in."`
	Client  string `name:"client" placeholder:"ID" help:"Only those of this client."`
	Dead    bool   `name:"dead" help:"Also those that have ended: revoked, expired, or ended with their subject or client."`
	databaseFlags
}

// Help teaches.
func (familiesListCmd) Help() string {
	return "For example:\n\n    authd families list --subject usr_… --dead"
}

// Run lists.
func (c *familiesListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		families, err := admin.Families(a.ctx, authd.FamilyFilter{Subject: c.Subject, ClientID: c.Client, Dead: c.Dead})
		if err != nil {
			return err
		}
		return a.show(convert(families, toFamilyJSON), func(w io.Writer) {
			familyTable(w, families)
		})
	})
}

type familiesRevokeCmd struct {
	ID string `arg:"" help:"Identifier of the family: sid in access tokens."`
	databaseFlags
}

// Help teaches.
func (familiesRevokeCmd) Help() string {
	return "For example:\n\n    authd families revoke 0190e0c4-…"
}

// Run revokes.
func (c *familiesRevokeCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		if err := admin.RevokeFamily(a.ctx, c.ID); err != nil {
			return fmt.Errorf("family %q: %w", c.ID, err)
		}
		return a.show(map[string]any{"id": c.ID, "revoked": true}, func(w io.Writer) {
			fmt.Fprintf(w, "family %s has ended: its refresh token is refused, its access tokens are inactive\n", c.ID)
		})
	})
}
