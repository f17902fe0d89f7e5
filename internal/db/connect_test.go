package db_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
)

// doorman is a PostgreSQL that lets nobody in, and counts who asked.
type doorman struct {
	code  atomic.Value // string: the SQLSTATE with which it refuses; "": it hangs up; "open": it lets in
	asked atomic.Int64
}

func (d *doorman) listen(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var guests sync.WaitGroup
	guests.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			guests.Go(func() { d.answer(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); guests.Wait() })
	return l.Addr()
}

func (d *doorman) answer(conn net.Conn) {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	m, err := b.ReceiveStartupMessage()
	if _, asks := m.(*pgproto3.StartupMessage); err != nil || !asks {
		return // after a hang-up pgx may come once more, to cancel what is no longer there
	}
	d.asked.Add(1)
	switch code := d.code.Load().(string); code {
	case "":
	case "open":
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		_ = b.Flush()
		for { // until the client leaves
			if m, err := b.Receive(); err != nil || isTerminate(m) {
				return
			}
		}
	default:
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: "played"})
		_ = b.Flush()
	}
}

func isTerminate(m pgproto3.FrontendMessage) bool { _, ok := m.(*pgproto3.Terminate); return ok }

// clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time           { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(by time.Duration) { c.at.Add(int64(by)) }

// poolAt is a pool of 16 connections whose pauses go by the clock.
func poolAt(t *testing.T, addr net.Addr, c *clock, set func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig("postgres://authd@" + addr.String() + "/authd?sslmode=disable&pool_max_conns=16")
	if err != nil {
		t.Fatal(err)
	}
	set(cfg)
	db.BoundConnecting(cfg, c.now)
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func asConfigured(*pgxpool.Config) {}

// F-17: while a database refuses connections, each request is told so and few ask again:
// fewer than five times a second, however many requests there are.
func TestRefusedConnectionsDoNotStorm(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, code string }{
		{"too many clients, 53300", "53300"},
		{"starting up, 57P03", "57P03"},
		{"something in front of it hangs up", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var door doorman
			door.code.Store(tt.code)
			var c clock
			pool := poolAt(t, door.listen(t), &c, asConfigured)
			d := db.New(pool)
			crowd := func() {
				var wg sync.WaitGroup
				for range 40 {
					wg.Go(func() {
						if _, err := d.Now(t.Context()); !errors.Is(err, db.ErrUnavailable) {
							t.Errorf("got %v, want ErrUnavailable", err)
						}
					})
				}
				wg.Wait()
			}
			for second := range 10 {
				before := door.asked.Load()
				for range 20 {
					crowd()
					c.advance(50 * time.Millisecond)
				}
				if n := door.asked.Load() - before; n >= 5 {
					t.Errorf("%d attempts to connect in second %d", n, second)
				}
			}
			if n := door.asked.Load(); n < 5 { // a pause is never longer than two seconds and a half
				t.Errorf("%d attempts in ten seconds, want them to go on", n)
			}

			door.code.Store("open")
			c.advance(2500 * time.Millisecond)
			var held []*pgxpool.Conn
			for range 16 {
				conn, err := pool.Acquire(t.Context())
				if err != nil {
					t.Fatalf("after the last pause: %v", err)
				}
				held = append(held, conn)
			}
			for _, conn := range held {
				conn.Release()
			}
		})
	}
}

// The pauses differ, so that servers do not come back in step.
func TestPausesVary(t *testing.T) {
	t.Parallel()
	var door doorman
	door.code.Store("53300")
	var c clock
	pool := poolAt(t, door.listen(t), &c, asConfigured)
	var pauses []time.Duration
	for began := c.now(); len(pauses) < 12; {
		before := door.asked.Load()
		if _, err := pool.Acquire(t.Context()); err == nil {
			t.Fatal("let in")
		}
		if door.asked.Load() > before {
			pauses = append(pauses, c.now().Sub(began))
			began = c.now()
		}
		c.advance(10 * time.Millisecond)
	}

	last := pauses[3:] // the first attempt came at once, and two pauses are shorter
	if shortest := slices.Min(last); shortest < 1500*time.Millisecond {
		t.Errorf("a pause of %s", shortest)
	}
	if longest := slices.Max(last); longest > 2510*time.Millisecond || longest == slices.Min(last) {
		t.Errorf("pauses of %s", last)
	}
}

// hostTracer is one of the host's, which hears of connections and queries.
type hostTracer struct {
	mu    sync.Mutex
	heard []string
}

func (h *hostTracer) hear(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, what)
}

func (h *hostTracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	h.hear("connect")
	return ctx
}

func (h *hostTracer) TraceConnectEnd(context.Context, pgx.TraceConnectEndData) { h.hear("connected") }

func (h *hostTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	h.hear("query")
	return ctx
}
func (h *hostTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// What the host has set goes on: its hook, its dialer, its tracer and its bounds. A hook that
// fails is a failed attempt.
func TestConnectingChainsTheHosts(t *testing.T) {
	t.Parallel()
	var door doorman
	door.code.Store("open")
	var c clock
	var host hostTracer
	broken := errors.New("no credentials")
	fails := true
	pool := poolAt(t, door.listen(t), &c, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.Tracer = &host
		cfg.ConnConfig.ConnectTimeout, cfg.PingTimeout = time.Minute, time.Hour
		cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error {
			host.hear("before")
			if fails {
				return broken
			}
			return nil
		}
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			host.hear("dial")
			return dial(ctx, network, addr)
		}
		db.BoundConnecting(cfg, c.now) // twice is once
	})

	for range 3 {
		if _, err := pool.Acquire(t.Context()); !errors.Is(err, broken) {
			t.Errorf("got %v, want the host's error", err)
		}
	}
	fails = false
	c.advance(time.Second)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if conn.Conn().Config().Tracer != pgx.QueryTracer(&host) {
		t.Error("the connection has another tracer than the host's")
	}
	conn.Release()

	want := []string{"before", "before", "connect", "dial", "connected"}
	if !slices.Equal(host.heard, want) {
		t.Errorf("heard %q, want %q", host.heard, want)
	}
	if cfg := pool.Config(); cfg.ConnConfig.ConnectTimeout != time.Minute || cfg.PingTimeout != time.Hour {
		t.Errorf("the host's bounds are now %s and %s", cfg.ConnConfig.ConnectTimeout, cfg.PingTimeout)
	}
}

// F-16: where the host bounds nothing, we do.
func TestConnectingIsBounded(t *testing.T) {
	t.Parallel()
	cfg, err := pgxpool.ParseConfig("postgres://authd@db.example/authd")
	if err != nil {
		t.Fatal(err)
	}

	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}

	if got := max(cfg.ConnConfig.ConnectTimeout, cfg.PingTimeout); got == 0 || got > 10*time.Second {
		t.Errorf("attempts end after %s and pings after %s", cfg.ConnConfig.ConnectTimeout, cfg.PingTimeout)
	}
}
