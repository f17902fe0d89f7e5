package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"Show the schedule of the signing keys of both rings."`
	Rotate keysRotateCmd `cmd:"" help:"Make the announced keys sign now, before servers do it by themselves."`
	Revoke keysRevokeCmd `cmd:"" help:"Withdraw a key that may be in wrong hands."`
	Rewrap keysRewrapCmd `cmd:"" help:"Seal all private keys under the first key-encryption key."`
}

// keyFlags are of what changes keys: with them it writes schedules as a server would.
type keyFlags struct {
	issuerFlags
	databaseFlags
	kekFlags
	ringFlags
}

// safeLead is how long verifiers may take to know an announced key.
func (f *ringFlags) safeLead() time.Duration { return 2*f.JWKSMaxAge + f.KeySnapshotCap + f.ClockSkew }

// change runs do with a server on the database. The server's own upkeep is ended before: a
// command does what it was asked, and makes no rotation that happens to be due.
func (f *keyFlags) change(a *app, do func(*authd.Server, authd.Config) error) (err error) {
	d, err := f.open(a.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	cfg, err := f.config(a, d, slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})))
	if err != nil {
		return err
	}
	srv, err := authd.New(a.ctx, cfg)
	if err != nil {
		return configProblem(err)
	}
	if err := srv.Close(); err != nil {
		return err
	}
	level.Set(slog.LevelError) // what the command does is its output
	return do(srv, cfg)
}

func (f *keyFlags) config(a *app, d *database, log *slog.Logger) (authd.Config, error) {
	keks, err := f.load(a.ctx, &f.databaseFlags, log)
	if err != nil {
		return authd.Config{}, err
	}
	cfg := authd.Config{
		Issuer: f.Issuer, InsecureIssuer: f.InsecureIssuer, DB: d.pool, KeyEncryptionKeys: keks, Logger: log,
	}
	f.apply(&cfg)
	return cfg, nil
}

// existing reads the keys before anything is started: a server would make them.
func (f *keyFlags) existing(a *app) (keys []authd.Key, err error) {
	err = f.admin(a.ctx, func(admin *authd.Admin) error {
		keys, err = admin.Keys(a.ctx)
		return err
	})
	return keys, err
}

func findKey(keys []authd.Key, kid string) (authd.Key, bool) {
	for _, k := range keys {
		if k.ID == kid {
			return k, true
		}
	}
	return authd.Key{}, false
}

// inOneLine makes a problem of errors that have a line for each key.
func inOneLine(err error) *problem {
	p := *explain(err)
	p.err = errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	return &p
}

// whole rounds up to a second: what is true then stays true.
func whole(t time.Time) time.Time { return t.Add(time.Second - 1).UTC().Truncate(time.Second) }

// span is a duration in the unit in which people would tell it.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}} {
		if d >= 2*unit.d {
			return fmt.Sprintf("%d %s", d/unit.d, unit.name)
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
