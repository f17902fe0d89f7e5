package db

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTimeout bounds an attempt to connect, and the ping of a connection that has lain
	// idle, where the host's configuration does not.
	connectTimeout = 5 * time.Second
	// maxConnecting bounds the attempts under way at once, all of which may fail.
	maxConnecting = 2
	// The pause after the first failure, which doubles with each, and its bound.
	firstPause, longestPause = 500 * time.Millisecond, 2 * time.Second
	// A peer that has fallen silent is given up after userTimeout if it owes an
	// acknowledgement, and after eleven seconds (5 + 3 × 2) if nothing is under way.
	userTimeout = 10 * time.Second
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}

// BoundConnecting is the part of [Configure] that bounds how long a pool believes in a silent
// connection, and how often it asks a database for a new one that refuses. The pauses go by now.
func BoundConnecting(cfg *pgxpool.Config, now func() time.Time) {
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	if cfg.PingTimeout == 0 {
		cfg.PingTimeout = connectTimeout
	}
	cfg.ConnConfig.DialFunc = watchful(cfg.ConnConfig.DialFunc)
	c := &connecting{now: now, slots: make(chan struct{}, maxConnecting)}
	host := cfg.BeforeConnect
	cfg.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) error {
		if err := c.begin(ctx); err != nil {
			return err
		}
		if host != nil {
			if err := host(ctx, conn); err != nil {
				c.end(err)
				return err
			}
		}
		conn.Tracer = attempt{conn.Tracer, c}
		return nil
	}
}

// watchful makes the kernel notice a peer that is gone without a word. What it cannot be told
// of (a unix socket, a host's own kind of connection) is left alone.
func watchful(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
			_ = tcp.SetKeepAliveConfig(keepAlive) // a kernel that refuses is no reason not to connect
			setUserTimeout(tcp, userTimeout)
		}
		return conn, err
	}
}

// connecting is a pool's attempts to connect. pgxpool makes one for each request that finds no
// idle connection: thousands a second while the database refuses them at once (SQLSTATE 53300,
// 57P03). After a failure there is one attempt at the end of each pause, and requests in
// between fail with what the last one did.
type connecting struct {
	now   func() time.Time
	slots chan struct{} // holds one value for each attempt under way

	mu       sync.Mutex
	failures int // since the last success
	next     time.Time
	last     error
}

func (c *connecting) begin(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := c.refuse(); err != nil {
		<-c.slots
		return err
	}
	return nil
}

// refuse returns nil for who may try. After a failure that is one at a time.
func (c *connecting) refuse() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures == 0 {
		return nil
	}
	now := c.now()
	if now.Before(c.next) {
		return fmt.Errorf("wait before the next attempt to connect: %w", c.last)
	}
	c.next = now.Add(pause(c.failures + 1))
	return nil
}

func (c *connecting) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	<-c.slots
	if err == nil {
		c.failures = 0
		return
	}
	c.failures++
	c.last = err
	c.next = c.now().Add(pause(c.failures))
}

// pause has a jitter of a quarter either way, so that servers do not come back in step.
func pause(failures int) time.Duration {
	d := longestPause
	if n := failures - 1; n < 8 {
		d = min(d, firstPause<<n)
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return d*3/4 + time.Duration(binary.NativeEndian.Uint64(b[:])%uint64(d/2))
}

// attempt hears how one attempt to connect ends. It takes the place of the host's tracer
// until it begins, and then gives it back: it hears nothing of the queries.
type attempt struct {
	pgx.QueryTracer // the host's; nil for none
	connecting      *connecting
}

func (a attempt) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	data.ConnConfig.Tracer = a.QueryTracer
	if host, ok := a.QueryTracer.(pgx.ConnectTracer); ok {
		return host.TraceConnectStart(ctx, data)
	}
	return ctx
}

func (a attempt) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	a.connecting.end(data.Err)
	if host, ok := a.QueryTracer.(pgx.ConnectTracer); ok {
		host.TraceConnectEnd(ctx, data)
	}
}
