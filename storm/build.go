package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// edit replaces text that stands once in a file of the repository.
type edit struct{ File, Old, New string }

// build compiles authd out of the tree with failpoints, and with edits that are laid over it.
func build(ctx context.Context, home, name string, edits []edit) (binary string, err error) {
	binary = filepath.Join(home, name)
	args := []string{"build", "-tags", "failpoints", "-o", binary}
	if len(edits) > 0 {
		overlay, err := writeOverlay(filepath.Join(home, name+".overlay"), edits)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/authd")...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of %s: %w\n%s", name, err, out)
	}
	return binary, nil
}

// writeOverlay writes the edited files and the list of them that go build reads.
func writeOverlay(dir string, edits []edit) (list string, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	texts := make(map[string]string)
	for _, e := range edits {
		if texts[e.File] == "" {
			b, err := os.ReadFile(filepath.Join("..", e.File))
			if err != nil {
				return "", err
			}
			texts[e.File] = string(b)
		}
		if n := strings.Count(texts[e.File], e.Old); n != 1 {
			return "", fmt.Errorf("%s has the text to replace %d times, want once:\n%s", e.File, n, e.Old)
		}
		texts[e.File] = strings.Replace(texts[e.File], e.Old, e.New, 1)
	}
	replaced := make(map[string]string)
	for file, text := range texts {
		original, err := filepath.Abs(filepath.Join("..", file))
		if err != nil {
			return "", err
		}
		edited := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(edited, []byte(text), 0o600); err != nil {
			return "", err
		}
		replaced[original] = edited
	}
	b, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, b, 0o600)
}
