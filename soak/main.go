// Command soak rotates signing keys under load and lets verifiers that are not ours judge it:
// three replicas as processes behind a round-robin balancer, tokens issued without pause, and
// tokens of all ages verified without pause by npm jose, PyJWT, keyfunc, go-oidc and package rs.
//
//	scripts/soak          # two minutes and more than 20 rotations, then three with the defaults
//	scripts/soak -short   # half a minute, for CI
//
// In the part "fast" the servers rotate by themselves every 5 s, and the verifiers are told to
// look an unknown kid up at once. In the part "defaults" they are told nothing but addresses
// and names. A single token that is refused ends the soak with exit code 1, and so does a
// verifier that has not verified tokens of every key that signed.
//
// It needs AUTHD_TEST_DATABASE_URL, where it makes a database for each part, and runs in the
// folder soak of the repository; scripts/soak sees to both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	short := flag.Bool("short", false, "the short form, for CI")
	only := flag.String("only", "", "one `part`: fast or defaults")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, chosen(*short, *only)); err != nil {
		fmt.Fprintln(os.Stderr, "soak: error:", err)
		os.Exit(1)
	}
}

func chosen(short bool, only string) (parts []part) {
	for _, p := range []part{fast(short), defaults(short)} {
		if only == "" || only == p.name {
			parts = append(parts, p)
		}
	}
	return parts
}

func run(ctx context.Context, out io.Writer, parts []part) error {
	if len(parts) == 0 {
		return errors.New("no part has this name: fast or defaults")
	}
	dir, err := os.MkdirTemp("", "authd-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	authd := filepath.Join(dir, "authd")
	build := exec.CommandContext(ctx, "go", "build", "-o", authd, "./cmd/authd")
	build.Dir, build.Stderr = "..", os.Stderr // the module of the repository's root
	if err := build.Run(); err != nil {
		return fmt.Errorf("building authd: %w", err)
	}
	faults := 0
	for _, p := range parts {
		r, err := p.run(ctx, authd)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		faults += r.print(out)
	}
	if faults > 0 {
		return fmt.Errorf("%d faults", faults)
	}
	return nil
}
