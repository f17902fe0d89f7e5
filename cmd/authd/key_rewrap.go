package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-authd/authd"
)

type keysRewrapCmd struct{ keyFlags }

// Help teaches.
func (keysRewrapCmd) Help() string {
	return `The first --kek-file seals, the others open. Servers may run, but each must have the new key-encryption key already: without it a server cannot open what it sealed at its next start. What was interrupted is run again. A private key that cannot be opened is named, and the others are sealed all the same; the exit status is then 1.

    (umask 077 && authd kek new > new.kek)
    authd keys rewrap --kek-file new.kek --kek-file old.kek
    authd kek check --kek-file new.kek --kek-file old.kek`
}

type rewrappingJSON struct {
	KEK       string   `json:"kek_id"`
	Rewrapped []string `json:"rewrapped"`
	Unchanged int      `json:"unchanged"`
	// MayGo are given and seal nothing any more.
	MayGo []string `json:"may_go"`
}

// Run rewraps.
func (c *keysRewrapCmd) Run(a *app) error {
	before, err := c.existing(a)
	if err != nil {
		return err
	}
	if len(before) == 0 {
		return &problem{exit: exitRefused, code: "not_found", err: errors.New("there are no keys yet: the first start of a server makes them")}
	}
	return c.change(a, func(srv *authd.Server, cfg authd.Config) error {
		r, failed := srv.RewrapKeys(a.ctx)
		if r.KeyEncryptionKey == "" {
			return failed
		}
		out := rewrappingJSON{r.KeyEncryptionKey, orEmpty(r.KeyIDs), r.Unchanged, mayGo(a, cfg)}
		if err := a.show(out, func(w io.Writer) { out.print(w) }); err != nil || failed == nil {
			return err
		}
		return inOneLine(failed)
	})
}

// mayGo is empty where a key cannot be opened: nobody knows what it needs.
func mayGo(a *app, cfg authd.Config) []string {
	ids := []string{}
	found, err := authd.CheckKeyEncryptionKeys(a.ctx, cfg)
	if err != nil {
		return ids
	}
	for _, s := range found {
		if s.Given && s.State == authd.KEKUnused {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (r *rewrappingJSON) print(w io.Writer) {
	for _, kid := range r.Rewrapped {
		fmt.Fprintf(w, "rewrapped %s\n", kid)
	}
	fmt.Fprintf(w, "%d private keys rewrapped under key-encryption key %s, %d were so already\n", len(r.Rewrapped), r.KEK, r.Unchanged)
	for _, id := range r.MayGo {
		fmt.Fprintf(w, "key-encryption key %s seals nothing any more: it may go, as soon as no server has it first\n", id)
	}
}
