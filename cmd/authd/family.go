package main

import (
	"fmt"
	"io"
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
}

func toFamilyJSON(f authd.Family) familyJSON {
	out := familyJSON{
		ID: f.ID, Sub: f.Subject, ClientID: f.ClientID, Scope: strings.Join(f.Scopes, " "), Generation: f.Generation,
		CreatedAt: f.CreatedAt.UTC(), RotatedAt: utc(f.RotatedAt), ExpiresAt: f.ExpiresAt.UTC(), RevokedAt: utc(f.RevokedAt),
	}
	if f.RevokedReason != "" {
		out.RevokedReason = &f.RevokedReason
	}
	return out
}

func familyRow(f authd.Family) []string {
	return []string{
		f.ID, f.Subject, f.ClientID, orDash(strings.Join(f.Scopes, ",")), strconv.FormatInt(f.Generation, 10),
		at(f.CreatedAt), maybe(f.RotatedAt), at(f.ExpiresAt), maybe(f.RevokedAt), orDash(f.RevokedReason),
	}
}

type familiesListCmd struct {
	Sub    string `name:"sub" placeholder:"SUB" help:"Only those of this subject."`
	Client string `name:"client" placeholder:"ID" help:"Only those of this client."`
	Dead   bool   `name:"dead" help:"Also those that are revoked or expired."`
	databaseFlags
}

// Help teaches.
func (familiesListCmd) Help() string {
	return "For example:\n\n    authd families list --client app --dead"
}

// Run lists.
func (c *familiesListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		families, err := admin.Families(a.ctx, authd.FamilyFilter{Subject: c.Sub, ClientID: c.Client, Dead: c.Dead})
		if err != nil {
			return err
		}
		return a.show(convert(families, toFamilyJSON), func(w io.Writer) {
			table(w, "ID SUB CLIENT SCOPE GENERATION CREATED ROTATED EXPIRES REVOKED REASON", convert(families, familyRow))
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
