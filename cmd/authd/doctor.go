package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-authd/authd"
)

type doctorCmd struct {
	issuerFlags
	databaseFlags
	kekFlags
}

// Help teaches.
func (doctorCmd) Help() string {
	return `It changes nothing, and needs a running server only for the last check. Exit status 3 if something failed.

    authd doctor --database-url postgres://authd@db.example.com/authd --issuer https://auth.example.com --kek-file authd.kek`
}

type findingJSON struct {
	Check   string `json:"check"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
	Remedy  string `json:"remedy"`
}

// Run diagnoses.
func (c *doctorCmd) Run(a *app) error {
	d, err := c.open(a.ctx)
	if err != nil {
		return err
	}
	defer d.close()
	keys, err := c.load(a.ctx, &c.databaseFlags, commandLogger())
	if err != nil && !errors.Is(err, errNoKEK) { // that is a finding
		return err
	}
	found := authd.Diagnose(a.ctx, authd.Config{
		Issuer: c.Issuer, InsecureIssuer: c.InsecureIssuer, DB: d.pool, KeyEncryptionKeys: keys, Logger: commandLogger(),
	})
	err = a.show(convert(found, func(f authd.Finding) findingJSON { return findingJSON(f) }), func(w io.Writer) { printFindings(w, d, found) })
	if err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(f authd.Finding) bool { return f.Outcome == authd.FindingFailed }) {
		return &problem{exit: exitRefused, code: "diagnosis", err: errors.New("a check failed")}
	}
	return nil
}

func printFindings(w io.Writer, d *database, found []authd.Finding) {
	fmt.Fprintln(w, d.where)
	table(w, "CHECK OUTCOME DETAIL", convert(found, func(f authd.Finding) []string { return []string{f.Check, f.Outcome, f.Detail} }))
	for _, f := range found {
		if f.Remedy != "" {
			fmt.Fprintf(w, "%s: %s\n", f.Check, f.Remedy)
		}
	}
}
