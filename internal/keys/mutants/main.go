// Command mutants shows that the walk of package keys sees what it is for: it breaks the
// code in one way at a time, in an overlay, and fails if the walk passes all the same.
//
//	go run ./internal/keys/mutants [NAME…]
//
// The mutants are internal/keys/testdata/mutants/*.txtar: in the comment why the code would
// be wrong and a text from the walk's message, then pairs of a text that the file has
// exactly once, and what replaces it. Run it in the root of the module, with
// AUTHD_TEST_DATABASE_URL set (dbtestrun does that).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-authd/authd/internal/mutants"
)

const (
	pkg      = "./internal/keys"
	folder   = "internal/keys/testdata/mutants"
	walk     = "TestKeysAgainstTheModel"
	parallel = 2
	// How many walks it may take to catch a mutant, and how many pass without one.
	walks, walksWithout = 300, 40
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	all, err := readAll(names)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "authd-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The code as it is has to pass, or every mutant would be caught.
	all = append([]mutants.Mutant{{Name: "none"}}, all...)
	errs := make([]error, len(all))
	var group sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i, m := range all {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = try(ctx, m, filepath.Join(dir, m.Name))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Printf("mutants: the walk catches all %d\n", len(all)-1)
	return nil
}

func readAll(names []string) ([]mutants.Mutant, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, errors.New("no mutants: run it in the root of the module"))
	}
	var all []mutants.Mutant
	for _, file := range files {
		m, err := mutants.Read(".", file)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 || slices.Contains(names, m.Name) {
			all = append(all, m)
		}
	}
	if len(names) > 0 && len(all) != len(names) {
		return nil, fmt.Errorf("not all of %s are mutants", strings.Join(names, ", "))
	}
	return all, nil
}

// try makes the mutant in dir and lets the walk look for it.
func try(ctx context.Context, m mutants.Mutant, dir string) error {
	start := time.Now()
	test, err := build(ctx, m, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	out, err := look(ctx, test, m)
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return err
	}
	said := message(out)
	switch caught := err != nil; {
	case m.CaughtBy == nil && caught:
		return fmt.Errorf("the walk fails without a mutant:\n%s", out)
	case m.CaughtBy == nil:
		said = "passes"
	case !caught:
		return fmt.Errorf("%s survives the walk: %s", m.Name, m.Why)
	case !slices.ContainsFunc(m.CaughtBy, func(words string) bool { return strings.Contains(said, words) }):
		return fmt.Errorf("%s is not caught by %q, but: %s", m.Name, m.CaughtBy, said)
	}
	fmt.Printf("%5.1f s  %-34s %.100s\n", time.Since(start).Seconds(), m.Name, said)
	return nil
}

// rapid's words before the message of the walk, for what it could repeat and what it could not.
var before = regexp.MustCompile(`\[rapid\] failed after \d+ tests: |\[rapid\] panic after \d+ tests: |Original traceback \(`)

// message is what the walk said first, or all if that cannot be told.
func message(out string) string {
	if at := before.FindStringIndex(out); at != nil {
		out, _, _ = strings.Cut(out[at[1]:], "\n")
	}
	return out
}

func build(ctx context.Context, m mutants.Mutant, dir string) (test string, err error) {
	overlay, err := m.Overlay(dir)
	if err != nil {
		return "", err
	}
	test = filepath.Join(dir, "walk.test")
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", test, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	return test, nil
}

// look runs the walk from one seed. What races in it is not the same each time.
func look(ctx context.Context, test string, m mutants.Mutant) (string, error) {
	checks := walks
	if m.CaughtBy == nil {
		checks = walksWithout
	}
	cmd := exec.CommandContext(ctx, test, "-test.run", "^"+walk+"$", "-test.timeout", "5m",
		"-rapid.checks", strconv.Itoa(checks), "-rapid.seed", "1", "-rapid.nofailfile", "-rapid.shrinktime", "0s")
	cmd.Dir = pkg
	out, err := cmd.CombinedOutput()
	return string(out), err
}
