package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/pglocal"
	"github.com/go-authd/authd/rs"
)

// start brings up what `authd serve` would, beside a resource server.
func (d *demo) start() error {
	db, err := d.startDatabase()
	if err != nil {
		return err
	}
	return d.startServer(db)
}

func (d *demo) startServer(db *database) error {
	d.page.sent("authd", "serve", "--accounts")
	listener, err := listen(d.ctx, "listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.issuer = "http://" + listener.Addr().String()
	if d.srv, err = newDemoServer(d.ctx, d.issuer, db, d.log.logger()); err != nil {
		return errors.Join(err, listener.Close())
	}
	d.onClose(d.srv.Close)
	d.serve(listener, d.srv.Handler())
	d.page.got("issuer", d.issuer)
	return d.startResourceServer()
}

func (d *demo) startDatabase() (*database, error) {
	dir, err := os.MkdirTemp("", "authd-demo-")
	if err != nil {
		return nil, err
	}
	d.onClose(func() error { return os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // root's PostgreSQL runs as another user, who passes through
		return nil, err
	}
	local, err := pglocal.Start(d.ctx, pglocal.Config{DataDir: dir, Logger: d.log.logger(), UnsafeNoSync: true})
	if err != nil {
		return nil, err
	}
	d.onClose(local.Remove)
	db := &database{local: local}
	d.onClose(db.close)
	if db.pool, err = newPool(d.ctx, local.URL()); err != nil {
		return nil, err
	}
	d.page.got("database", "a private PostgreSQL, empty until now")
	return db, migrateLocal(d.ctx, db.pool, d.log.logger())
}

func newDemoServer(ctx context.Context, issuer string, db *database, log *slog.Logger) (*authd.Server, error) {
	text, err := authd.NewSecret(rand.Reader)
	if err != nil {
		return nil, err
	}
	kek, err := authd.ParseSecret(text)
	if err != nil {
		return nil, err
	}
	return authd.New(ctx, authd.Config{
		Issuer: issuer, DB: db.pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek}, Accounts: true, Logger: log,
	})
}

// serve ends with the demo. No request is under way then: the demo waits for each.
func (d *demo) serve(l net.Listener, h http.Handler) {
	s := authd.HTTPServer(h)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // ErrServerClosed; whatever else happens shows in a request
	d.onClose(func() error {
		err := s.Close()
		serving.Wait()
		return err
	})
}

// startResourceServer serves orders to those who bring a token for them.
func (d *demo) startResourceServer() error {
	v, err := rs.New(d.ctx, rs.Config{
		Issuer: d.issuer, Audience: ordersAudience, HTTPClient: &http.Client{Transport: &d.fromAPI}, Logger: d.log.logger(),
	})
	if err != nil {
		return err
	}
	d.onClose(v.Close)
	listener, err := listen(d.ctx, "listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Required(rs.Scopes("orders:read"))(http.HandlerFunc(serveOrders)))
	mux.Handle("DELETE /orders", v.Required(rs.Scopes("orders:delete"))(http.HandlerFunc(serveOrders)))
	d.orders = "http://" + listener.Addr().String() + "/orders"
	d.serve(listener, mux)
	return nil
}

func serveOrders(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct { // the client is gone
		Orders []string `json:"orders"`
		For    string   `json:"for"`
	}{[]string{"tea", "cups"}, token.Subject})
}

// requestCounter counts the requests of a client.
type requestCounter struct {
	next  http.RoundTripper
	calls atomic.Int32
}

// RoundTrip implements [http.RoundTripper].
func (c *requestCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return c.next.RoundTrip(r)
}

// demoLog keeps the log for a run that fails; in one that does not, it would only disturb.
type demoLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *demoLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Write implements io.Writer.
func (l *demoLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all so far.
func (l *demoLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
