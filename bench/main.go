// Command bench measures authd as ratios to what the same machine can do in the same
// minutes, with PostgreSQL, server and load on it together:
//
//	go run ./bench
//	go run -tags openssl ./bench
//
// Server and limits sign alike, with what the build has: crypto/rsa, or OpenSSL with the tag.
//
// The server is a process of its own, as a deployment has it, without a log unless -log
// says where; the load comes over loopback HTTP from closed loops, each of which sends its next request when
// the last was answered. An operation and its limit are measured in turns, a slice of
// time each, so that what else the machine does hits both.
//
// The ratios are what counts: on a machine with other work, the sum of all is wrong, and
// the more threads one side of a comparison has, the more of the machine it gets.
//
// Every refresh is a rotation with its family's current token, every revocation ends a
// live token, and every introspection is of an active one: the counts are compared with the
// database afterwards, and an answer that is no success ends the run with exit code 1. A
// target that is missed does not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"time"
)

type options struct {
	duration    time.Duration
	conns       int
	pool        int
	databaseURL string
	only        *regexp.Regexp
	log         string
	profile     string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		exit(serveChild(os.Args[2:]))
	}
	o := options{only: regexp.MustCompile("")}
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long each operation and each limit is measured")
	flag.IntVar(&o.conns, "conns", 16, "connections that send requests")
	flag.IntVar(&o.pool, "pool", 0, "the server's connections to the database; 0 for pgx's default, the processors but at least 4")
	flag.StringVar(&o.databaseURL, "database-url", "", "a PostgreSQL on which a database may be created; empty for a private one with durable commits")
	flag.Func("only", "measure only the operations that match `regexp`", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	flag.StringVar(&o.log, "log", "", "let the server write its log to `file`; empty for none")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the server to `file`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, os.Stdout, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "authd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, err := openDatabase(ctx, dir, o.databaseURL)
	if err != nil {
		return err
	}
	defer d.close()
	w, err := setUp(ctx, d)
	if err != nil {
		return err
	}
	ready, err := timeToReady(ctx, w)
	if err != nil {
		return err
	}
	return measureAll(ctx, out, o, w, ready)
}

// measureAll starts both servers and prints one table.
func measureAll(ctx context.Context, out io.Writer, o options, w *world, ready time.Duration) error {
	args, err := w.childArgs(o)
	if err != nil {
		return err
	}
	server, err := startChild(ctx, args...)
	if err != nil {
		return err
	}
	defer server.stop()
	bare, err := startChild(ctx, "-what", "bare")
	if err != nil {
		return err
	}
	defer bare.stop()
	r := newReport(o)
	b := &bench{o: o, w: w, server: server, bare: bare, report: r}
	if err := b.operations(ctx); err != nil {
		return err
	}
	r.figure("ready after start, migrated database with keys", fmt.Sprintf("%d ms", ready.Milliseconds()), "≤ 100 ms", ready <= 100*time.Millisecond)
	if rss, ok := server.peakRSS(); ok {
		r.figure("peak RSS of the server", fmt.Sprintf("%.1f MiB", rss), "≤ 40 MiB", rss <= 40)
	}
	return r.print(out)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
