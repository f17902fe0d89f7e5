package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd"
)

func TestEventNames(t *testing.T) {
	t.Parallel()
	events := []authd.Event{
		authd.GrantIssued{},
		authd.FamilyRevoked{},
		authd.ReuseDetected{},
		authd.ReuseDetected{Fork: true},
		authd.GraceReplayed{},
		authd.ForeignTokenRefused{},
		authd.ConstantChallenge{},
		authd.TokenRevoked{},
		authd.SubjectEnded{},
		authd.ClientEnded{},
		authd.KeyAnnounced{},
		authd.KeyRotated{},
		authd.KeyRevoked{},
		authd.KeyExpired{},
	}
	got := convert(events, eventName)
	if diff := cmp.Diff(eventNames, got); diff != "" {
		t.Errorf("-counted from the start +counted\n%s", diff)
	}
}

func matches(err error, text string) bool {
	if text == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), text)
}

func TestStrangePort(t *testing.T) {
	t.Parallel()
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000}
	tests := []struct{ name, issuer, want string }{
		{"the issuer is where the server listens", "http://localhost:9000", ""},
		{"the issuer was left at its default", "http://localhost:8080", "9000"},
		{"another loopback address", "http://127.0.0.1:8080", "9000"},
		{"without a port", "http://localhost", "9000"},
		{"a proxy in front", "https://auth.example.com", ""},
		{"a proxy in front that terminates TLS here", "https://localhost:8443", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strangePort(tt.issuer, addr); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What users and scripts rely on: status, code and whether a hint is there.
func TestExplain(t *testing.T) {
	t.Parallel()
	wrapped := func(err error) error { return named("shop", err) }
	tests := []struct {
		name string
		err  error
		exit int
		code string
	}{
		{"not there", wrapped(authd.ErrNotFound), exitRefused, "not_found"},
		{"there already", wrapped(authd.ErrExists), exitRefused, "exists"},
		{"schema", authd.ErrSchemaVersion, exitRefused, "schema_version"},
		{"too young", &authd.KeyTooYoungError{Ring: "access", SafeAt: time.Now()}, exitRefused, "key_too_young"},
		{"bad input", wrapped(&authd.InvalidError{Reason: "no"}), exitUsage, "invalid"},
		{"outage", wrapped(authd.ErrUnavailable), exitFailed, "unavailable"},
		{"anything else", fs.ErrPermission, exitFailed, "failed"},
		{"a problem keeps its status", errors.Join(wrongUse("hint", "wrong"), fs.ErrClosed), exitUsage, "usage"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := explain(tt.err)
			if p.exit != tt.exit || p.code != tt.code {
				t.Errorf("got %d %s, want %d %s", p.exit, p.code, tt.exit, tt.code)
			}
		})
	}
}

func TestFirstLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want, wantErr string }{
		{"the line end is not of the password", "secret\n", "secret", ""},
		{"nor is a carriage return", "secret\r\n", "secret", ""},
		{"without a line end", "secret", "secret", ""},
		{"spaces are of the password", " two words \nmore\n", " two words ", ""},
		{"nothing", "", "", "stdin holds no password"},
		{"an empty line", "\nsecret\n", "", "stdin holds no password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := firstLine(strings.NewReader(tt.in))
			if got != tt.want || !matches(err, tt.wantErr) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

// A token of an attacker's making may hold anything; what it shows must not break the
// terminal or the program.
func FuzzDecode(f *testing.F) {
	f.Add("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJtZSIsImF1ZCI6InlvdSIsImV4cCI6MX0.c2ln")
	f.Add("e30.eyJleHAiOjFlMzA4fQ.")
	f.Add("e30.eyJhdWQiOltdfQ.")
	f.Add("bnVsbA.e30.x")
	f.Add("e30.eyJhIjoiwpsxSiJ9.x") // CSI as one character
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		out, err := decode(raw)
		if err != nil {
			return
		}
		audience(out.Claims)
		var b bytes.Buffer
		out.print(&b, time.Unix(0, 0))
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }); i >= 0 {
			t.Errorf("a terminal may obey %q", b.String()[i:])
		}
	})
}
