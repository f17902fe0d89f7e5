package main

import (
	"bufio"
	"context"
	"net"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/go-authd/authd/internal/dbtest/pgwire"
)

// wire stands between processes and the database. It knows where a message ends and can
// stop at one of them, or all of them.
type wire struct {
	listener net.Listener
	dial     func() (net.Conn, error) // the database
	url      string                   // of the database, by this way
	cut      cut
	stopped  chan struct{} // closed when it has stopped at the cut
	mended   chan struct{} // closed when it may go on
	closed   chan struct{}

	mu       sync.Mutex
	open     chan struct{} // closed while messages may pass
	conns    []net.Conn
	rotating bool             // the statement of a rotation has been seen
	seen     []pgwire.Message // of the client, from that statement on
	handlers sync.WaitGroup
}

// cut is where a wire stops: at the client's message of this number, counted from the
// first statement of a rotation. The zero value never does.
type cut struct {
	at       int
	answered bool // the message arrives, and what is withheld is the answer
}

// rotates: it opens or closes a key, or adds one.
var rotates = regexp.MustCompile(`(?is)update authd\.signing_keys.* set signs_|insert into authd\.signing_keys`)

func newWire(t *testing.T, database string, c cut) *wire {
	t.Helper()
	cfg, err := pgconn.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	w := &wire{
		listener: listener, cut: c, open: make(chan struct{}),
		stopped: make(chan struct{}), mended: make(chan struct{}), closed: make(chan struct{}),
		dial: func() (net.Conn, error) { return cfg.DialFunc(context.Background(), network, address) },
	}
	close(w.open)
	through := url.URL{
		Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: listener.Addr().String(), Path: "/" + cfg.Database,
		RawQuery: "sslmode=disable&application_name=wired",
	}
	w.url = through.String()
	w.handlers.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

// close ends all connections. The database notices, as it does when a process has died.
func (w *wire) close() {
	w.mu.Lock()
	select {
	case <-w.closed:
	default:
		close(w.closed)
	}
	_ = w.listener.Close()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.handlers.Wait()
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.handlers.Go(func() { w.connect(client) })
	}
}

func (w *wire) connect(client net.Conn) {
	defer client.Close()
	server, err := w.dial()
	if err != nil || !w.keep(client, server) {
		return
	}
	defer server.Close()
	withheld := new(atomic.Bool) // the next answer is where the cut is
	w.handlers.Go(func() {
		defer client.Close()
		w.fromServer(client, server, withheld)
	})
	w.fromClient(bufio.NewReader(client), server, withheld)
}

// keep is false once the wire is closed.
func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
	select {
	case <-w.closed:
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	default:
		return true
	}
}

func (w *wire) fromClient(client *bufio.Reader, server net.Conn, withheld *atomic.Bool) {
	for opened := false; ; opened = true {
		m, err := pgwire.ReadMessage(client, opened)
		if err != nil {
			return
		}
		if here := w.isCut(m); here && w.cut.answered {
			withheld.Store(true)
		} else if here && !w.stop() {
			return
		}
		if !w.isOpen() {
			return
		}
		if _, err := server.Write(m.Bytes); err != nil {
			return
		}
	}
}

// stop returns when the wire may go on, or with false when it is closed.
func (w *wire) stop() bool {
	close(w.stopped)
	select {
	case <-w.mended:
		return true
	case <-w.closed:
		return false
	}
}

// mend lets go on what stopped at the cut.
func (w *wire) mend() { close(w.mended) }

func (w *wire) isCut(m pgwire.Message) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rotating = w.rotating || m.Kind == 'P' && rotates.Match(m.Bytes)
	if !w.rotating {
		return false
	}
	w.seen = append(w.seen, m)
	return len(w.seen) == w.cut.at
}

func (w *wire) fromServer(client, server net.Conn, withheld *atomic.Bool) {
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if withheld.Swap(false) && !w.stop() { // the server has done what it was asked to
			return
		}
		if !w.isOpen() {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// isOpen returns when messages may pass, with false when the wire is closed.
func (w *wire) isOpen() bool {
	w.mu.Lock()
	open := w.open
	w.mu.Unlock()
	select {
	case <-open:
		return true
	case <-w.closed:
		return false
	}
}

// pause lets nothing pass in either direction, on old and new connections.
func (w *wire) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = make(chan struct{})
}

// resume passes on what has come meanwhile, and goes on.
func (w *wire) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.open)
}

// last is the client's message at which the wire was cut.
func (w *wire) last() pgwire.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[w.cut.at-1]
}

// awaitCut is false if the process ends before it comes there.
func (w *wire) awaitCut(t *testing.T, p *command) bool {
	t.Helper()
	select {
	case <-w.stopped:
		return true
	case <-p.ended:
		if status := p.cmd.ProcessState.ExitCode(); status != 0 {
			t.Fatalf("%+v: exit status %d\n%s", w.cut, status, p.stderr.String())
		}
		return false
	case <-time.After(patience):
		t.Fatalf("%+v: neither the cut nor the end is reached", w.cut)
		return false
	}
}
