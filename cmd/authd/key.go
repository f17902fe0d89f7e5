package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/go-authd/authd"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the signing keys of both rings."`
	Rotate keysRotateCmd `cmd:"" help:"Make the announced keys sign and announce the next."`
}

type keysListCmd struct{ databaseFlags }

// Help teaches.
func (keysListCmd) Help() string { return "For example:\n\n    authd keys list" }

type keyJSON struct {
	KID            string     `json:"kid"`
	Ring           string     `json:"ring"`
	Seq            int64      `json:"seq"`
	Alg            string     `json:"alg"`
	State          string     `json:"state"`
	AnnouncedAt    time.Time  `json:"announced_at"`
	RotateAfter    time.Time  `json:"rotate_after"`
	SignsFrom      *time.Time `json:"signs_from"`
	SignsUntil     *time.Time `json:"signs_until"`
	PublishedUntil *time.Time `json:"published_until"`
	RevokedAt      *time.Time `json:"revoked_at"`
}

func toKeyJSON(k authd.Key) keyJSON {
	return keyJSON{
		k.ID, k.Ring, k.Seq, k.Alg, k.State, k.AnnouncedAt.UTC(), k.RotateAfter.UTC(),
		utc(k.SignsFrom), utc(k.SignsUntil), utc(k.PublishedUntil), utc(k.RevokedAt),
	}
}

// Run lists.
func (c *keysListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		keys, err := admin.Keys(a.ctx)
		if err != nil {
			return err
		}
		return a.show(convert(keys, toKeyJSON), func(w io.Writer) {
			table(w, "RING SEQ KID STATE ANNOUNCED SIGNS-FROM SIGNS-UNTIL ROTATE-AFTER", convert(keys, keyRow))
		})
	})
}

func keyRow(k authd.Key) []string {
	return []string{
		k.Ring, strconv.FormatInt(k.Seq, 10), k.ID, k.State, at(k.AnnouncedAt),
		maybe(k.SignsFrom), maybe(k.SignsUntil), at(k.RotateAfter),
	}
}

type keysRotateCmd struct {
	Force bool `name:"force" help:"Rotate although verifiers may not have seen the announced key yet: those that cached the JWKS refuse new tokens until they fetch it again."`
	issuerFlags
	databaseFlags
	kekFlags
	ringFlags
}

// Help teaches.
func (keysRotateCmd) Help() string {
	return `Tokens that are out stay valid, and their keys stay published as long as they live. A running server signs with the new key within --key-poll. The announced key must have been published for 2 × --jwks-max-age + --key-snapshot-cap + --clock-skew, else the exit status is 3.

    authd keys rotate`
}

type ringRotationJSON struct {
	Previous  string `json:"previous"`
	Signing   string `json:"signing"`
	Announced string `json:"announced"`
}

// Run rotates.
func (c *keysRotateCmd) Run(a *app) error {
	d, err := c.open(a.ctx)
	if err != nil {
		return err
	}
	defer d.close()
	r, err := c.rotate(a.ctx, d, commandLogger())
	if err != nil {
		return err
	}
	out := struct {
		Access  ringRotationJSON `json:"access"`
		Refresh ringRotationJSON `json:"refresh"`
	}{ringRotationJSON(r.Access), ringRotationJSON(r.Refresh)}
	return a.show(out, func(w io.Writer) {
		table(w, "RING PREVIOUS SIGNING ANNOUNCED", [][]string{
			{"access", r.Access.Previous, r.Access.Signing, r.Access.Announced},
			{"refresh", r.Refresh.Previous, r.Refresh.Signing, r.Refresh.Announced},
		})
		fmt.Fprintf(w, "\nrunning servers sign with the new keys within %s\n", c.KeyPoll)
	})
}

func (c *keysRotateCmd) rotate(ctx context.Context, d *database, log *slog.Logger) (authd.Rotation, error) {
	keys, err := c.load(ctx, &c.databaseFlags, log)
	if err != nil {
		return authd.Rotation{}, err
	}
	cfg := authd.Config{Issuer: c.Issuer, InsecureIssuer: c.InsecureIssuer, DB: d.pool, KeyEncryptionKeys: keys, Logger: log}
	c.apply(&cfg)
	srv, err := authd.New(ctx, cfg)
	if err != nil {
		return authd.Rotation{}, configProblem(err)
	}
	defer srv.Close()
	return srv.RotateKeys(ctx, c.Force)
}
