package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-authd/authd"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" default:"withargs" help:"Apply what is missing; the default."`
	Status migrateStatusCmd `cmd:"" help:"Tell the state of the schema and change nothing."`
}

type migrateUpCmd struct{ databaseFlags }

// Help teaches.
func (migrateUpCmd) Help() string {
	return `Safe to run from many places at once: one does the work, the others wait. It needs a connection that no transaction-pooling proxy stands in front of.

    authd migrate --database-url postgres://authd@db.example.com/authd`
}

// Run migrates.
func (c *migrateUpCmd) Run(a *app) error {
	d, err := c.open(a.ctx)
	if err != nil {
		return err
	}
	defer d.close()
	applied, err := authd.Migrate(a.ctx, d.pool)
	if err != nil {
		return err
	}
	s, err := authd.SchemaVersion(a.ctx, d.pool)
	if err != nil {
		return err
	}
	out := struct {
		Version int64    `json:"version"`
		Needed  int64    `json:"needed"`
		Applied []string `json:"applied"`
	}{s.Version, s.Needed, orEmpty(applied)}
	return a.show(out, func(w io.Writer) {
		for _, name := range applied {
			fmt.Fprintln(w, "applied", name)
		}
		fmt.Fprintf(w, "schema authd is at version %d\n", s.Version)
	})
}

type migrateStatusCmd struct{ databaseFlags }

// Help teaches.
func (migrateStatusCmd) Help() string { return "For example:\n\n    authd migrate status --json" }

// Run reads.
func (c *migrateStatusCmd) Run(a *app) error {
	d, err := c.open(a.ctx)
	if err != nil {
		return err
	}
	defer d.close()
	s, err := authd.SchemaVersion(a.ctx, d.pool)
	if err != nil {
		return err
	}
	out := struct {
		Version int64    `json:"version"`
		Needed  int64    `json:"needed"`
		Pending []string `json:"pending"`
		Usable  bool     `json:"usable"`
	}{s.Version, s.Needed, orEmpty(s.Pending), s.Usable}
	return a.show(out, func(w io.Writer) {
		facts(w, "version", strconv.FormatInt(s.Version, 10), "needed", strconv.FormatInt(s.Needed, 10),
			"pending", strings.Join(s.Pending, ", "), "usable", yesNo(s.Usable))
	})
}
