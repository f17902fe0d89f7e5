package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-authd/authd"
)

// Bounds of a shutdown; closing the rest takes a fraction of a second.
const (
	noticeTime = time.Second
	drainTime  = 10 * time.Second
)

// process is the two HTTP servers and how they end.
type process struct {
	public, ops *http.Server
	log         *slog.Logger
	draining    atomic.Bool
	hurry       atomic.Bool
}

func newProcess(srv *authd.Server, metrics http.Handler, log *slog.Logger) *process {
	p := &process{log: log}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.Handle("/readyz", p.readyz(srv.OpsHandler()))
	mux.Handle("/", srv.OpsHandler())
	p.public, p.ops = authd.HTTPServer(p.lastAnswers(srv.Handler())), authd.HTTPServer(mux)
	for _, s := range []*http.Server{p.public, p.ops} {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // what clients do wrong below HTTP
	}
	return p
}

// readyz says no as soon as the end has begun.
func (p *process) readyz(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.draining.Load() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"status":"not ready","failed":["shutdown"]}`+"\n") // the client is gone
	})
}

// lastAnswers asks clients to leave while the end nears, so that none finds its idle
// connection closed as it sends the next request.
func (p *process) lastAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// run serves until ctx ends with a signal, or a listener fails. Then the server is not
// ready, answers for another second, takes no new connections, waits for requests at most
// ten seconds, and returns. A second signal ends the waiting.
func (p *process) run(ctx context.Context, public, ops net.Listener) error {
	var serving sync.WaitGroup
	failed := make(chan error, 2)
	for s, l := range map[*http.Server]net.Listener{p.public: public, p.ops: ops} {
		serving.Go(func() { failed <- s.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
		err = p.drain(context.WithoutCancel(ctx))
	case err = <-failed:
		p.close()
	}
	serving.Wait()
	return err
}

// drain returns an error if requests were cut off.
func (p *process) drain(ctx context.Context) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	p.draining.Store(true)
	p.log.InfoContext(ctx, "shutting down: waiting for requests; another signal does not wait")

	ctx, cancel := context.WithTimeout(ctx, noticeTime+drainTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.shutdown(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			return nil
		}
		p.close()
		return fmt.Errorf("requests were cut off after %s: %w", drainTime, err)
	case <-again:
		p.hurry.Store(true)
		cancel()
		p.close()
		<-done
		return errHurried
	}
}

var errHurried = errors.New("requests were cut off by a second signal")

// shutdown ends the operations listener last: it tells that the server is not ready.
func (p *process) shutdown(ctx context.Context) error {
	notice := time.NewTimer(noticeTime)
	defer notice.Stop()
	select {
	case <-notice.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return errors.Join(p.public.Shutdown(ctx), p.ops.Shutdown(ctx))
}

// close cuts connections.
func (p *process) close() {
	_ = p.public.Close()
	_ = p.ops.Close()
}

// hurried: the shutdown was not waited for.
func (p *process) hurried() bool { return p.hurry.Load() }
