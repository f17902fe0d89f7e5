package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/go-authd/authd/internal/mutants"
)

// build compiles authd out of the tree with failpoints; m is a mutant, or nil.
func build(ctx context.Context, home, name string, m *mutants.Mutant) (binary string, err error) {
	binary = filepath.Join(home, name)
	args := []string{"build", "-tags", "failpoints", "-o", binary}
	if m != nil {
		overlay, err := m.Overlay(binary + ".overlay")
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/authd")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of %s: %w\n%s", name, err, out)
	}
	return binary, nil
}

// root of the repository: the storm runs in its own folder.
const root = ".."
