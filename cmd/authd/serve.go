package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/go-authd/authd"
)

type serveCmd struct {
	issuerFlags
	Listen    string `name:"listen" env:"AUTHD_LISTEN" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where clients connect, in plain HTTP: TLS is terminated in front (${default})."`
	OpsListen string `name:"ops-listen" env:"AUTHD_OPS_LISTEN" default:"127.0.0.1:8081" placeholder:"ADDR" help:"Where operators connect, for /healthz, /readyz and /metrics; the public must not reach it (${default})."`
	databaseFlags
	kekFlags
	ringFlags
	tokenFlags
	deviceFlags
	logFlags
}

// Help teaches.
func (serveCmd) Help() string {
	return `Without --database-url it needs nothing but PostgreSQL's binaries: it runs a private PostgreSQL in --data-dir, on a unix socket, and makes a key-encryption key beside it.

    authd serve

With a database of your own, migrate first; a server never changes the schema by itself. Any number of servers may share a database.

    (umask 077 && authd kek new > authd.kek)
    export AUTHD_DATABASE_URL=postgres://authd@db.example.com/authd
    authd migrate
    authd serve --issuer https://auth.example.com --listen :8080 --kek-file authd.kek

The same settings as a file, for authd serve --config authd.yaml:

    issuer: https://auth.example.com
    listen: ":8080"
    kek-file: [new.kek, old.kek]

Signing keys rotate by themselves, every --key-period; nothing is to be scheduled. authd keys list shows when.

SIGTERM lets requests come to their end, within 15 seconds; a second one does not wait.`
}

// Run serves until a signal.
func (c *serveCmd) Run(a *app) error {
	collectLess()
	log := c.logger(a.stderr)
	public, ops, err := c.listeners(a.ctx)
	if err != nil {
		return err
	}
	d, err := c.databaseFlags.serve(a.ctx, log)
	if err != nil {
		return errors.Join(err, public.Close(), ops.Close())
	}
	m := newMetrics(d.pool)
	srv, err := c.newServer(a.ctx, d, m, log)
	if err != nil {
		return errors.Join(err, public.Close(), ops.Close(), d.close())
	}
	m.watch(srv)
	c.sayReady(a.ctx, d, public, ops, log)
	p := newProcess(srv, m.handler(), log)
	err = p.run(a.ctx, public, ops)
	if p.hurried() { // what still runs is cut off with the connections
		d.pool = nil
	}
	return errors.Join(err, srv.Close(), d.close())
}

// collectLess lets the heap grow to five times what is live instead of two. Next to
// nothing is, so that Go's default collects many times a second: that costs introspection
// a seventh, and this costs 12 MiB. GOGC in the environment wins.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

func (c *serveCmd) listeners(ctx context.Context) (public, ops net.Listener, err error) {
	if public, err = listen(ctx, "listen", c.Listen); err != nil {
		return nil, nil, err
	}
	if ops, err = listen(ctx, "ops-listen", c.OpsListen); err != nil {
		return nil, nil, errors.Join(err, public.Close())
	}
	return public, ops, nil
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &problem{
			exit: exitFailed, code: "address_in_use", err: fmt.Errorf("--%s: %s is taken by another program", flag, address),
			hints: []string{fmt.Sprintf("stop it, or choose another address: --%s 127.0.0.1:PORT, and --issuer to match", flag)},
		}
	case errors.Is(err, syscall.EACCES):
		return nil, &problem{
			exit: exitFailed, code: "address", err: fmt.Errorf("--%s: no permission to listen on %s", flag, address),
			hints: []string{"ports below 1024 are for root; choose a higher one and let a proxy in front take 443"},
		}
	}
	return nil, &problem{exit: exitUsage, code: "address", err: fmt.Errorf("--%s: %w", flag, err), hints: []string{"the form is 127.0.0.1:8080 or :8080"}}
}

func (c *serveCmd) newServer(ctx context.Context, d *database, m *metrics, log *slog.Logger) (*authd.Server, error) {
	keys, err := c.load(ctx, &c.databaseFlags, log)
	if err != nil {
		return nil, err
	}
	cfg := authd.Config{
		Issuer: c.Issuer, InsecureIssuer: c.InsecureIssuer, DB: d.pool, KeyEncryptionKeys: keys, Logger: log,
		OnRequest: m.request, OnEvent: m.event,
	}
	c.ringFlags.apply(&cfg)
	c.tokenFlags.apply(&cfg)
	if err := c.deviceFlags.apply(&cfg); err != nil {
		return nil, err
	}
	srv, err := authd.New(ctx, cfg)
	return srv, configProblem(err)
}

// sayReady is the line that scripts wait for, and what a newcomer may do next.
func (c *serveCmd) sayReady(ctx context.Context, d *database, public, ops net.Listener, log *slog.Logger) {
	log.InfoContext(ctx, "authd is ready", "issuer", c.Issuer, "listen", public.Addr().String(), "ops", ops.Addr().String(),
		"database", d.where, "schema", authd.NeededSchema, "version", buildVersion())
	if c.InsecureIssuer {
		log.WarnContext(ctx, "the issuer may be http on any address: tokens and secrets cross the network in clear")
	}
	if (c.SignInPages || c.Accounts) && c.ClientAddress == "off" && strings.HasPrefix(c.Issuer, "https:") {
		log.WarnContext(ctx, "sign-ins through a proxy are not limited by address: nobody said whose address counts",
			"hint", "--client-address X-Forwarded-For --trusted-proxy 10.0.0.0/8, or --client-address peer without a proxy; --no-keep-client-address keeps nothing")
	}
	if port := strangePort(c.Issuer, public.Addr()); port != "" {
		log.WarnContext(ctx, "the issuer names another port than the server listens on: clients will look for it there",
			"issuer", c.Issuer, "listen", public.Addr().String(), "hint", "--issuer http://localhost:"+port)
	}
	if d.local != nil {
		log.InfoContext(ctx, "try it from another terminal",
			"register", "authd clients create orders --scope read"+c.dataDirArgument(),
			"token", "curl -u orders:SECRET -d grant_type=client_credentials "+c.Issuer+"/oauth2/token")
	}
}

func (c *serveCmd) dataDirArgument() string {
	if c.DataDir == "./authd-data" {
		return ""
	}
	return " --data-dir " + c.DataDir
}

// strangePort returns the listener's port where the issuer is this machine and names
// another: no proxy stands there.
func strangePort(issuer string, addr net.Addr) string {
	u, err := url.Parse(issuer)
	tcp, ok := addr.(*net.TCPAddr)
	if err != nil || !ok || u.Scheme != "http" || u.Port() == fmt.Sprint(tcp.Port) {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return fmt.Sprint(tcp.Port)
}
