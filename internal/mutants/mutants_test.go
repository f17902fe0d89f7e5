package mutants_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-authd/authd/internal/mutants"
)

// write puts files into a folder of the test's.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"a.go":    "one\n\ttwo\nthree\n",
		"m.txtar": "why: two is no four\ncaught by: four\n-- a.go --\n\ttwo\n-- becomes --\n\tfour\n-- a.go --\nthree\n-- becomes --\n",
	})

	m, err := mutants.Read(dir, filepath.Join(dir, "m.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := m.Overlay(filepath.Join(dir, "overlay"))
	if err != nil {
		t.Fatal(err)
	}

	b, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &overlay); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(overlay.Replace[filepath.Join(dir, "a.go")])
	if got, want := string(text), "one\n\tfour\n\n"; err != nil || got != want {
		t.Errorf("the file becomes %q (%v), want %q", got, err, want)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"a text that stands there twice", "why: x\ncaught by: y\n-- a.go --\none\n-- becomes --\ntwo\n", "2 times"},
		{"a text that is not there", "why: x\ncaught by: y\n-- a.go --\nfour\n-- becomes --\ntwo\n", "0 times"},
		{"a text without its pair", "why: x\ncaught by: y\n-- a.go --\none\n", "pairs"},
		{"no reason", "caught by: y\n-- a.go --\none\n-- becomes --\ntwo\n", "why"},
		{"nothing that catches it", "why: x\n-- a.go --\none\n-- becomes --\ntwo\n", "caught by"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, map[string]string{"a.go": "one one\n", "m.txtar": tt.text})

			_, err := mutants.Read(dir, filepath.Join(dir, "m.txtar"))

			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
