package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestFlagsLast(t *testing.T) {
	t.Parallel()
	app := modelForTest(t)
	tests := []struct{ name, in, want string }{
		{"in front of the command", "--listen :80 --accounts serve", "serve --listen :80 --accounts"},
		{"between the words of a command", "clients --scope a create --scope=b x --public", "clients create x --scope a --scope=b --public"},
		{"no- of a flag", "clients update --no-first-party x", "clients update x --no-first-party"},
		{"a value is missing", "serve --listen --accounts", "serve --listen --accounts"},
		{"what is unknown stays", "serve --lissten :80 --listen :81", "serve --lissten :80 --listen :81"},
		{"after -- nothing is a flag", "users --json create -- --json", "users create --json -- --json"},
		{"a dash is a word", "token --jwks f inspect -", "token inspect - --jwks f"},
		{
			"a kid may begin with a dash",
			"keys revoke -xMaKqN0R8PNlfWYAzlxKVyTHLyj3HJGRnqD2g6nrNg --json", "keys revoke --json -- -xMaKqN0R8PNlfWYAzlxKVyTHLyj3HJGRnqD2g6nrNg",
		},
		{
			"or with two, behind a --",
			"--json keys revoke -- --MaKqN0R8PNlfWYAzlxKVyTHLyj3HJGRnqD2g6nrNg", "keys revoke --json -- --MaKqN0R8PNlfWYAzlxKVyTHLyj3HJGRnqD2g6nrNg",
		},
		{
			"or with two",
			"keys revoke --MaKqN0R8PNlfWYAzlxKVyTHLyj3HJGRnqD2g6nrNg --json", "keys revoke --json -- --MaKqN0R8PNlfWYAzlxKVyTHLyj3HJGRnqD2g6nrNg",
		},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(flagsLast(strings.Fields(tt.in), app), " ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The file is the operator's, but a broken one must be told and not crash the server.
func FuzzReadConfig(f *testing.F) {
	f.Add("listen: :80\n")
	f.Add("kek-file: [a, b]\n")
	f.Add("a: &x [*x]\n? b\n: c\n")
	f.Add("---\n...\n--- !!map {listen: !!int 3}\n")
	path := filepath.Join(f.TempDir(), "authd.yaml")
	flags := settingsOf(modelForTest(f))
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := readConfig(path, flags)
		if err != nil && !strings.HasPrefix(err.Error(), path) {
			t.Errorf("the error does not name the file: %v", err)
		}
		for name := range c {
			if flags[name] == nil {
				t.Errorf("unknown key %q was taken", name)
			}
		}
	})
}

func modelForTest(tb testing.TB) *kong.Node {
	tb.Helper()
	k, err := kong.New(new(commands), kong.ExplicitGroups(flagGroups))
	if err != nil {
		tb.Fatal(err)
	}
	return k.Model.Node
}
