package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// bulk is a storm of rows instead of faults: what the tables are like behind a million. It
// asserts counts and sizes. Times are the machine's: they are printed.
type bulk struct {
	name, about string
	settings    []string // of PostgreSQL
	run         func(ctx context.Context, w *weighing) error
}

// bulks run by their names only, and on a PostgreSQL of their own: the log that they read is of
// the whole server.
var bulks = []bulk{
	{
		name: "cleanup", about: "dead rows are deleted while three servers serve (F-35)",
		// Whoever waits for a lock for longer than a millisecond is in the log.
		settings: []string{"log_lock_waits=on", "deadlock_timeout=1ms", "log_min_messages=log", "shared_buffers=128MB"},
		run:      cleanUp,
	},
	{
		name: "bloat", about: "rotations of 10,000 families, for a while beside an open transaction (F-36)",
		// A checkpoint would write whole pages to the log in the middle of a measurement.
		settings: []string{"checkpoint_timeout=1h", "max_wal_size=10GB", "shared_buffers=128MB", "autovacuum_naptime=5s"},
		run:      rotateMuch,
	},
}

func findBulk(name string) (bulk, bool) {
	i := slices.IndexFunc(bulks, func(b bulk) bool { return b.name == name })
	if i < 0 {
		return bulk{}, false
	}
	return bulks[i], true
}

// weighing is one bulk under way.
type weighing struct {
	options
	home   string
	pg     *postgres
	out    io.Writer
	faults int
}

func (b bulk) weigh(ctx context.Context, out io.Writer, home string, o options) error {
	began := time.Now()
	pg, err := newPostgres(home, b.name)
	if err != nil {
		return err
	}
	pg.settings = b.settings
	if err := errors.Join(pg.initdb(ctx), pg.start(ctx)); err != nil {
		return err
	}
	defer pg.signal(syscall.SIGQUIT)
	fmt.Fprintf(out, "== %s: %s\n", b.name, b.about)
	w := &weighing{options: o, home: home, pg: pg, out: out}
	if err := b.run(ctx, w); err != nil {
		return fmt.Errorf("%s: %w", b.name, err)
	}
	if w.faults > 0 {
		return fmt.Errorf("%d faults", w.faults)
	}
	fmt.Fprintf(out, "all as it should be, in %ds\n", int(time.Since(began).Seconds()))
	return nil
}

// tell prints a figure.
func (w *weighing) tell(figure, format string, args ...any) {
	fmt.Fprintf(w.out, "%-58s %s\n", figure, fmt.Sprintf(format, args...))
}

// want prints a figure that has to be as it is said.
func (w *weighing) want(ok bool, figure, format string, args ...any) {
	w.tell(figure, format, args...)
	if !ok {
		w.faults++
		fmt.Fprintln(w.out, "fault:", figure)
	}
}

// await asks until it is so. It is false if that takes longer than a minute.
func await(ctx context.Context, what func() (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if done, err := what(); done || err != nil {
			return done, err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return false, nil
		}
	}
}
