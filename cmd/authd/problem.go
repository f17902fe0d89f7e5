package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/pglocal"
)

// Exit statuses beside 0.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3 // by the state of things: not there, there already, too young
)

// problem is an error as a user meets it: what is wrong, then what to do, one line each.
type problem struct {
	exit   int
	code   string // for programs
	err    error
	hints  []string
	safeAt time.Time // of a key that is too young
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// wrongUse is a problem with what was typed.
func wrongUse(hint, format string, args ...any) error {
	return &problem{exit: exitUsage, code: "usage", err: fmt.Errorf(format, args...), hints: []string{hint}}
}

// sentinels gives the errors of package authd their exit status, code and remedy.
var sentinels = []struct {
	err  error
	exit int
	code string
	hint string
}{
	{authd.ErrSchemaVersion, exitRefused, "schema_version", ""}, // says itself what to run
	{authd.ErrNotFound, exitRefused, "not_found", ""},
	{authd.ErrExists, exitRefused, "exists", ""},
	{authd.ErrTwoSecrets, exitRefused, "two_secrets", "authd clients remove-secret ID SECRET-ID"},
	{authd.ErrLastSecret, exitRefused, "last_secret", "authd clients add-secret ID"},
	{authd.ErrPublicClient, exitRefused, "public_client", ""},
	{authd.ErrSigningClient, exitRefused, "signing_client", "to change its key: authd clients update ID --jwks FILE; to let it have a secret: --auth-method client_secret_basic"},
	{authd.ErrKEK, exitRefused, "kek", "give the key-encryption key that this database was started with, by --kek-file or AUTHD_KEK; a private database has its own in --data-dir, file kek"},
	{authd.ErrUnavailable, exitFailed, "unavailable", "is the database up, and --database-url right? authd doctor"},
	{context.Canceled, exitFailed, "interrupted", ""},
}

// explain makes any error a problem.
func explain(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if young, ok := errors.AsType[*authd.KeyTooYoungError](err); ok {
		return &problem{
			exit: exitRefused, code: "key_too_young", err: young, safeAt: young.SafeAt.Add(time.Second - 1).UTC().Truncate(time.Second), // as its text says
			hints: []string{"wait, or rotate all the same with --force: verifiers that cached the JWKS then refuse new tokens until they fetch it again"},
		}
	}
	if invalid, ok := errors.AsType[*authd.InvalidError](err); ok {
		return &problem{exit: exitUsage, code: "invalid", err: invalid}
	}
	if inUse, ok := errors.AsType[*pglocal.InUseError](err); ok {
		return &problem{exit: exitFailed, code: "in_use", err: inUse, hints: []string{"stop that server, or choose another --data-dir"}}
	}
	if errors.Is(err, pglocal.ErrNoBinaries) { // the ways out stand on lines of their own
		lines := strings.Split(err.Error(), "\n")
		return &problem{exit: exitFailed, code: "no_postgresql", err: errors.New(lines[0]), hints: lines[1:]}
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			p := &problem{exit: s.exit, code: s.code, err: err}
			if s.hint != "" {
				p.hints = []string{s.hint}
			}
			return p
		}
	}
	return &problem{exit: exitFailed, code: "failed", err: err}
}

func (p *problem) print(w io.Writer, asJSON bool) {
	message := strings.TrimPrefix(p.err.Error(), "authd: ")
	if asJSON {
		body := struct {
			Error   string     `json:"error"`
			Message string     `json:"message"`
			Hint    string     `json:"hint"`
			SafeAt  *time.Time `json:"safe_at,omitempty"`
		}{p.code, message, strings.Join(p.hints, "\n"), nil}
		if !p.safeAt.IsZero() {
			body.SafeAt = &p.safeAt
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(body) // nowhere left to complain
		return
	}
	fmt.Fprintf(w, "authd: error: %s\n", message)
	for _, hint := range p.hints {
		fmt.Fprintf(w, "authd: hint: %s\n", strings.TrimSpace(hint))
	}
}
