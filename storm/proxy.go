package main

import (
	"bufio"
	"bytes"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/internal/dbtest/pgwire"
)

// proxy stands between the servers and the database. It knows which message commits.
type proxy struct {
	listener net.Listener
	database func() string // path of the socket

	// Every n-th commit is cut; 0: none. Before: what it commits was executed, and the COMMIT
	// never arrives. After: it is done, and its answer never arrives.
	cutBefore, cutAfter atomic.Int64
	delay, spread       atomic.Int64 // of each pipeline, in nanoseconds: delay less spread, delay, delay and spread, in turn
	sliced              atomic.Bool  // answers arrive byte by byte

	tries, commits, before, after, opened, delayed atomic.Int64 // counted

	mu       sync.Mutex
	gate     chan struct{} // closed while messages may pass
	conns    map[net.Conn]bool
	closed   bool
	handlers sync.WaitGroup
}

func newProxy(database func() string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, database: database, gate: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(p.gate)
	p.handlers.Go(p.accept)
	return p, nil
}

func (p *proxy) url(role, database string) string {
	return "postgres://" + role + "@" + p.listener.Addr().String() + "/" + database + "?sslmode=disable"
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.opened.Add(1)
		p.handlers.Go(func() { p.connect(client) })
	}
}

func (p *proxy) connect(client net.Conn) {
	defer p.drop(client)
	server, err := net.Dial("unix", p.database())
	if err != nil || !p.keep(client, server) {
		return
	}
	defer p.drop(server)
	var withhold atomic.Bool // the next answer is that of a commit which is cut
	p.handlers.Go(func() {
		defer p.drop(client)
		defer p.drop(server)
		p.answers(client, server, &withhold)
	})
	p.requests(bufio.NewReader(client), server, &withhold)
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	if p.closed {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	return !p.closed
}

func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// dropAll ends every connection, and those that come while the proxy is closed.
func (p *proxy) dropAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.resume()
	p.dropAll()
	p.handlers.Wait()
}

// hang lets nothing pass, in either direction, on old and new connections.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

// resume passes on what has come meanwhile on connections that still stand.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

func (p *proxy) pass() {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	<-gate
}

func (p *proxy) requests(client *bufio.Reader, server net.Conn, withhold *atomic.Bool) {
	s := session{statements: make(map[string]string)}
	for opened := false; ; opened = true {
		m, err := pgwire.ReadMessage(client, opened)
		if err != nil {
			return
		}
		p.pass()
		commits := s.read(m)
		if commits && m.Kind == 'B' && s.inTransaction && everyNth(&p.cutBefore, p.tries.Add(1)) {
			p.before.Add(1)
			return // what was executed is rolled back
		}
		if s.pending && m.IsAnswered() {
			s.pending, s.inTransaction = false, false
			if everyNth(&p.cutAfter, p.commits.Add(1)) {
				p.after.Add(1)
				withhold.Store(true)
			}
		}
		if m.IsAnswered() {
			time.Sleep(p.nextDelay())
		}
		if _, err := server.Write(m.Bytes); err != nil {
			return
		}
	}
}

func (p *proxy) nextDelay() time.Duration {
	return time.Duration(p.delay.Load() + (p.delayed.Add(1)%3-1)*p.spread.Load())
}

func everyNth(n *atomic.Int64, count int64) bool {
	every := n.Load()
	return every > 0 && count%every == 0
}

// session is what a proxy has to know of a connection to tell a commit.
type session struct {
	statements    map[string]string // by their name
	inTransaction bool
	pending       bool // the next message that is answered commits
}

var changes = regexp.MustCompile(`(?i)\b(insert into|update authd|delete from)\b`)

// read reports whether m commits: by COMMIT, or as a change outside of a transaction.
func (s *session) read(m pgwire.Message) bool {
	if len(m.Bytes) < 5 {
		return false
	}
	body := m.Bytes[5:]
	switch m.Kind {
	case 'P':
		name, rest, _ := bytes.Cut(body, []byte{0})
		sql, _, _ := bytes.Cut(rest, []byte{0})
		s.statements[string(name)] = string(sql)
	case 'B':
		_, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		return s.runs(s.statements[string(name)])
	case 'Q':
		return s.runs(string(bytes.TrimRight(body, "\x00")))
	}
	return false
}

func (s *session) runs(sql string) bool {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(sql)), " ")
	commits := false
	switch {
	case word == "begin":
		s.inTransaction = true
	case word == "rollback":
		s.inTransaction, s.pending = false, false
	case word == "commit":
		commits = true
	case !s.inTransaction:
		commits = changes.MatchString(sql)
	}
	if commits {
		defer func() { s.pending = true }()
	}
	return commits
}

func (p *proxy) answers(client, server net.Conn, withhold *atomic.Bool) {
	buf := make([]byte, 1<<14)
	for {
		n, err := server.Read(buf)
		if err != nil || withhold.Load() { // the server has done what it was asked to
			return
		}
		p.pass()
		if err := p.answer(client, buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) answer(client net.Conn, b []byte) error {
	step := len(b)
	if p.sliced.Load() {
		step = 1
	}
	for len(b) > 0 {
		if _, err := client.Write(b[:min(step, len(b))]); err != nil {
			return err
		}
		b = b[min(step, len(b)):]
	}
	return nil
}
