package grants_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// wire counts what all connections send, and breaks at one message: before it has left,
// or after, when the server acts on it and its answer is lost.
type wire struct {
	writes atomic.Int64
	cutAt  atomic.Int64 // the write that is the last; 0: none
	after  atomic.Bool  // it still arrives
}

type cutConn struct {
	net.Conn
	w      *wire
	doomed atomic.Bool // what the server answers arrives no more
}

var errCut = errors.New("connection reset")

func (c *cutConn) Write(b []byte) (int, error) {
	if isFarewell(b) || c.w.writes.Add(1) != c.w.cutAt.Load() {
		return c.Conn.Write(b)
	}
	if c.w.after.Load() {
		c.doomed.Store(true)
		return c.Conn.Write(b)
	}
	_ = c.Conn.Close()
	return 0, errCut
}

// Read waits for the answer before it cuts: then the server has acted. A reset could overtake
// what it has not read yet.
func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.doomed.Load() {
		_ = c.Conn.Close()
		return 0, errCut
	}
	return n, err
}

// isFarewell: after a cut pgx says goodbye on the old connection, and asks the server on a new one
// to stop what was under way, both some time later. They are no messages of the request that
// comes next.
func isFarewell(b []byte) bool {
	const cancelRequest = 80877102
	return len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) == cancelRequest || len(b) == 5 && b[0] == 'X'
}

func (w *wire) pool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &cutConn{Conn: conn, w: w}, err
	}
	cfg.BeforeConnect = nil // no pause after a failure: attempts to connect are cut, too
	cfg.MaxConns = 1        // so that the messages are those of one request
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// S-03: wherever the connection breaks, the client is told that nothing is known, and its
// retry goes on: one step, one leaf, and the family lives.
func TestConnectionBreaksInRefresh(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("arrives %v", after), func(t *testing.T) {
			t.Parallel()
			url := keystest.URL(t)
			var w wire
			healthy := serve(t, new(wire).pool(t, url), options{grace: grace})
			broken := grantsOver(healthy, w.pool(t, url))
			healthy.register(oauth.Client{
				ID: "app", AuthMethod: oauth.AuthNone, GrantTypes: []oauth.GrantType{oauth.RefreshToken}, FirstParty: true,
			})
			token := healthy.login("ada").RefreshToken
			cuts := 0
			for at := int64(1); ; at++ {
				w.cutAt.Store(w.writes.Load() + at)
				w.after.Store(after)
				r, err := broken.refresh(token)
				if err == nil { // the request was over before that message
					if r.RefreshToken == "" {
						t.Fatal("a success without a token")
					}
					break
				}
				cuts++
				if !errors.Is(err, db.ErrUnavailable) {
					t.Fatalf("cut at message %d: got %v, want ErrUnavailable", at, err)
				}
				next := healthy.mustRefresh(token)
				if again := healthy.mustRefresh(token); again.RefreshToken != next.RefreshToken {
					t.Fatalf("cut at message %d: two leaves", at)
				}
				if got, want := claims(t, next.RefreshToken)["gen"], claims(t, token)["gen"].(float64)+1; got != want {
					t.Fatalf("cut at message %d: generation %v, want %v", at, got, want)
				}
				token = next.RefreshToken
			}

			if cuts < 2 { // the two round trips of a rotation, at least
				t.Errorf("only %d messages were cut", cuts)
			}
			if got := healthy.revokedReason(); got != "" {
				t.Errorf("the family was ended for %q", got)
			}
		})
	}
}

// grantsOver is a replica of f whose tokens go over another pool; its keys do not.
func grantsOver(f *fixture, pool *pgxpool.Pool) *fixture {
	over := &fixture{t: f.t, pool: pool, db: db.New(pool), rings: f.rings}
	over.build(options{grace: grace})
	return over
}

// V-11: a key that has retired still tells what its refresh tokens are.
func TestRevokeAfterKeyRotation(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken
	if _, err := f.rings.Rotate(t.Context(), oauth.RefreshRing, false); err != nil {
		t.Fatal(err)
	}

	if err := f.tokens.Revoke(t.Context(), asPublic("app"), token, tokens.ReasonClient); err != nil {
		t.Fatal(err)
	}
	if got := f.revokedReason(); got != tokens.ReasonClient {
		t.Errorf("family ended for %q, want %q", got, tokens.ReasonClient)
	}
}
