package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// mutant is the code, broken in one way.
type mutant struct {
	name, why string
	caughtBy  []string // words of the walk's message, any of them
	changed   map[string]string
}

// read applies the changes, of which each has to fit in one place.
func read(file string) (mutant, error) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		return mutant{}, err
	}
	m := mutant{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), changed: make(map[string]string)}
	if err := m.comment(string(a.Comment)); err != nil {
		return m, err
	}
	if len(a.Files) == 0 || len(a.Files)%2 != 0 {
		return m, errors.New("the texts do not come in pairs")
	}
	for i := 0; i < len(a.Files); i += 2 {
		from, to := a.Files[i], a.Files[i+1]
		if to.Name != "becomes" {
			return m, fmt.Errorf("%q stands where -- becomes -- should", to.Name)
		}
		if err := m.change(from.Name, line(from.Data), line(to.Data)); err != nil {
			return m, err
		}
	}
	return m, nil
}

func line(text []byte) string { return strings.TrimSuffix(string(text), "\n") }

func (m *mutant) comment(text string) error {
	for l := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(l), ": ")
		switch name {
		case "why":
			m.why = value
		case "caught by":
			m.caughtBy = append(m.caughtBy, value)
		default:
			return fmt.Errorf("the comment has %q", name)
		}
	}
	if m.why == "" || m.caughtBy == nil {
		return errors.New("the comment does not say why or caught by")
	}
	return nil
}

func (m *mutant) change(file, from, to string) error {
	text, ok := m.changed[file]
	if !ok {
		b, err := os.ReadFile(file)
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

// overlay writes the changed files and their list for go's flag -overlay.
func (m *mutant) overlay(dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	list := struct{ Replace map[string]string }{make(map[string]string)}
	for file, text := range m.changed {
		original, err := filepath.Abs(file)
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
