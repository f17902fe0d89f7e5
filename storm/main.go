// Command storm shows under load and faults that refresh-token families keep what they promise:
// three servers as processes over one PostgreSQL, behind a balancer that tries again; honest
// clients with one to three tabs and lost answers, thieves, logouts, revocations by token,
// family, subject and client, users disabled and enabled, passwords set, introspection all
// along. Every call is logged, and a checker judges the history: by rules of its own, and by a
// model of each family with porcupine.
//
//	make storm         # all faults, long
//	make storm-short   # within three minutes, for CI
//	make rows          # a million dead rows, and a million rotations: bulk.go
//
// Each part is a storm of its own, with one kind of fault. -seed replays the decisions of
// actors and faults; how the processes interleave is the machine's. A broken promise is
// printed with the history of its family, and ends the storm with exit code 1.
//
// The parts called mutants build authd with one of its guards taken out. There the checker has
// to find a broken promise: a storm that finds none fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options of the command line.
type options struct {
	short bool
	seed  uint64
	load  int
	only  string
}

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "the short form, for CI")
	flag.Uint64Var(&o.seed, "seed", 0, "replay the decisions of this `seed`; 0 draws one")
	flag.IntVar(&o.load, "load", 1, "how many times the usual number of actors")
	flag.StringVar(&o.only, "only", "", "one part, bulk or mutant, by its `name`")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the operator is in this process
	if o.seed == 0 {
		o.seed = rand.Uint64()>>32 + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "storm: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	began := time.Now()
	home, err := newHome()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	if b, found := findBulk(o.only); found {
		return b.weigh(ctx, out, home, o)
	}
	pg, err := newPostgres(home, "pg")
	if err != nil {
		return err
	}
	if err := errors.Join(pg.initdb(ctx), pg.start(ctx)); err != nil {
		return err
	}
	defer func() { pg.signal(syscall.SIGQUIT) }()
	binary, err := build(ctx, home, "authd", nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d (-seed %d replays its decisions)\n", o.seed, o.seed)
	broken, ran := 0, false
	for _, p := range parts(o) {
		if o.only != "" && o.only != p.name {
			continue
		}
		r, err := p.run(ctx, pg, home, binary, o)
		if err != nil {
			return fmt.Errorf("part %s: %w", p.name, err)
		}
		broken += r.print(out)
		ran = true
	}
	if o.only == "" || broken == 0 && !ran {
		missed, err := tryMutants(ctx, out, pg, home, o)
		if err != nil {
			return err
		}
		broken += missed
	}
	if broken > 0 {
		return fmt.Errorf("%d faults; -seed %d replays the decisions", broken, o.seed)
	}
	fmt.Fprintf(out, "\nall promises kept, in %ds\n", int(time.Since(began).Seconds()))
	return nil
}

// newHome is a folder that PostgreSQL's user can pass through; the paths of its sockets must
// be short.
func newHome() (string, error) {
	home, err := os.MkdirTemp("/tmp", "storm-")
	if err != nil {
		return "", err
	}
	return filepath.Clean(home), os.Chmod(home, 0o711)
}
