package authd_test

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
)

// roundTrips counts how often a pool's connections wait for the database.
type roundTrips struct{ n atomic.Int64 }

// watch counts all connections of cfg. The pool's own ping after a second of idleness is
// turned off: whether a test is that slow must not change the count.
func (r *roundTrips) watch(cfg *pgxpool.Config) {
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &countedConn{Conn: conn, trips: &r.n}
		c.answered.Store(true)
		return c, nil
	}
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
}

// countedConn counts a round trip at the first write after something was read: however
// many statements a pipeline holds, and in however many writes it leaves.
type countedConn struct {
	net.Conn
	trips    *atomic.Int64
	answered atomic.Bool
}

func (c *countedConn) Write(b []byte) (int, error) {
	if c.answered.Swap(false) {
		c.trips.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.answered.Store(true)
	}
	return n, err
}
