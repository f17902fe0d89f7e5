package main

import (
	"errors"
	"io"
	"strconv"

	"github.com/go-authd/authd"
)

type kekCheckCmd struct {
	databaseFlags
	kekFlags
}

// Help teaches.
func (kekCheckCmd) Help() string {
	return `KEYS counts the private signing keys under it, of keys that are neither revoked nor expired. STATE is ok; missing: a signing key needs it and it is not given; wrong: given, and not this database's; unused: nothing is sealed under it, and one that is given may go, as soon as no server has it first.

It changes nothing, and needs no key-encryption key to say which ones are needed. Exit status 3 if one is missing or wrong, 1 if a signing key cannot be opened.

    authd kek check --kek-file new.kek --kek-file old.kek`
}

type kekStatusJSON struct {
	ID    string `json:"id"`
	Given bool   `json:"given"`
	Seals bool   `json:"seals"`
	Known bool   `json:"known"`
	Keys  int    `json:"keys"`
	State string `json:"state"`
}

// Run checks.
func (c *kekCheckCmd) Run(a *app) (err error) {
	keks, err := c.given(&c.databaseFlags)
	if err != nil {
		return err
	}
	d, err := c.open(a.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	found, fault := authd.CheckKeyEncryptionKeys(a.ctx, authd.Config{DB: d.pool, KeyEncryptionKeys: keks, Logger: commandLogger()})
	if fault != nil && len(found) == 0 {
		return fault
	}
	err = a.show(convert(found, func(s authd.KeyEncryptionKeyStatus) kekStatusJSON { return kekStatusJSON(s) }), func(w io.Writer) {
		table(w, "ID GIVEN SEALS KNOWN KEYS STATE", kekRows(found, fault == nil))
	})
	switch {
	case err != nil:
		return err
	case fault != nil:
		return inOneLine(fault)
	case len(keks) == 0:
		return errNoKEK
	}
	return nil
}

// kekRows: while a signing key cannot be opened, nobody knows what it needs, and nothing may go.
func kekRows(found []authd.KeyEncryptionKeyStatus, whole bool) [][]string {
	return convert(found, func(s authd.KeyEncryptionKeyStatus) []string {
		if s.State == authd.KEKUnused && s.Given && whole {
			s.State = "unused: may go"
		}
		return []string{s.ID, yesNo(s.Given), yesNo(s.Seals), yesNo(s.Known), strconv.Itoa(s.Keys), s.State}
	})
}
