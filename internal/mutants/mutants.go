// Package mutants breaks the code on purpose, to show that a check notices. A mutant is a
// txtar file: a comment that says why it would be wrong and by which words it is caught, then
// pairs of a text that stands once in a file and of what it becomes.
//
//	why: a host that slept takes an old snapshot for a young one
//	caught by: that has read nothing for
//	-- internal/keys/snapshot.go --
//	return a
//	-- becomes --
//	return b
package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Mutant is the code, broken in one way.
type Mutant struct {
	Name, Why string
	CaughtBy  []string // any of them

	root    string
	changed map[string]string
}

// Read applies the changes to the files below root, where each has to fit in one place.
func Read(root, file string) (Mutant, error) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		return Mutant{}, err
	}
	m := Mutant{Name: strings.TrimSuffix(filepath.Base(file), ".txtar"), root: root, changed: make(map[string]string)}
	if err := m.comment(string(a.Comment)); err != nil {
		return m, fmt.Errorf("%s: %w", file, err)
	}
	if len(a.Files) == 0 || len(a.Files)%2 != 0 {
		return m, fmt.Errorf("%s: the texts do not come in pairs", file)
	}
	for i := 0; i < len(a.Files); i += 2 {
		from, to := a.Files[i], a.Files[i+1]
		if to.Name != "becomes" {
			return m, fmt.Errorf("%s: %q stands where -- becomes -- should", file, to.Name)
		}
		if err := m.change(from.Name, line(from.Data), line(to.Data)); err != nil {
			return m, fmt.Errorf("%s: %w", file, err)
		}
	}
	return m, nil
}

func line(text []byte) string { return strings.TrimSuffix(string(text), "\n") }

func (m *Mutant) comment(text string) error {
	for l := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(l), ": ")
		switch name {
		case "why":
			m.Why = value
		case "caught by":
			m.CaughtBy = append(m.CaughtBy, value)
		default:
			return fmt.Errorf("the comment has %q", name)
		}
	}
	if m.Why == "" || m.CaughtBy == nil {
		return errors.New("the comment does not say why or caught by")
	}
	return nil
}

func (m *Mutant) change(file, from, to string) error {
	text, ok := m.changed[file]
	if !ok {
		b, err := os.ReadFile(filepath.Join(m.root, file))
		if err != nil {
			return err
		}
		text = string(b)
	}
	if n := strings.Count(text, from); n != 1 {
		return fmt.Errorf("%s has the text %d times, must have it once:\n%s", file, n, from)
	}
	m.changed[file] = strings.Replace(text, from, to, 1)
	return nil
}

// Overlay writes the changed files and their list into dir, which it makes, and returns the
// list for the flag -overlay of go build and go test.
func (m *Mutant) Overlay(dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	list := struct{ Replace map[string]string }{make(map[string]string)}
	for file, text := range m.changed {
		original, err := filepath.Abs(filepath.Join(m.root, file))
		if err != nil {
			return "", err
		}
		list.Replace[original] = filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(list.Replace[original], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}
