package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
)

const (
	servers  = 3
	audience = "https://api.example"
)

// cluster is three servers over one database, behind a proxy, and a balancer with the issuer's
// address.
type cluster struct {
	pg       *postgres // where what was acknowledged is
	pair     *pair     // nil: there is no standby
	database string
	binary   string
	env      []string
	issuer   string
	balancer *balancer
	proxy    *proxy
	pool     *pgxpool.Pool // of the admin, through the proxy
	admin    *authd.Admin
	cleanup  []func()

	mu       sync.Mutex
	servers  [servers]*server
	buried   []*serverLog // of servers that were replaced
	restarts int
}

// startCluster returns when all servers of the part are ready.
func startCluster(ctx context.Context, pg *postgres, pair *pair, binary string, p part) (c *cluster, err error) {
	c = &cluster{pg: pg, pair: pair, binary: binary, balancer: newBalancer(), database: "storm_" + strings.ToLower(rand.Text()[:10])}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if c.proxy, err = newProxy(func() string { return c.pg.address() }); err != nil {
		return nil, err
	}
	c.cleanup = append(c.cleanup, c.proxy.close)
	if err := c.listen(); err != nil {
		return nil, err
	}
	if err := c.openDatabase(ctx); err != nil {
		return nil, err
	}
	kek := make([]byte, 32)
	_, _ = rand.Read(kek) // never fails
	c.env = slices.Concat(plainEnv(), []string{
		"AUTHD_DATABASE_URL=" + c.url(), "AUTHD_ISSUER=" + c.issuer,
		"AUTHD_KEK=" + base64.StdEncoding.EncodeToString(kek), "AUTHD_ACCOUNTS=true", "GOMAXPROCS=2", "AUTHD_REFRESH_GRACE=" + p.grace.String(),
	})
	return c, c.startAll(ctx, p)
}

// startAll lets the first server make the keys, and then starts the others at once.
func (c *cluster) startAll(ctx context.Context, p part) error {
	errs := make([]error, servers)
	begin := func(i int) {
		points := ""
		if p.failpoints != nil {
			points = p.failpoints(i)
		}
		errs[i] = c.start(ctx, i, points)
	}
	begin(0)
	var starting sync.WaitGroup
	for i := 1; i < servers && errs[0] == nil; i++ {
		starting.Go(func() { begin(i) })
	}
	starting.Wait()
	return errors.Join(errs...)
}

// openDatabase makes an empty one of the issuer's schema, whose owner is no superuser.
func (c *cluster) openDatabase(ctx context.Context) error {
	if err := c.pg.execute(ctx, "postgres",
		`do $$ begin create role authd login; exception when duplicate_object then null; end $$`,
		`create database `+c.database+` owner authd`); err != nil {
		return err
	}
	cfg, err := pgxpool.ParseConfig(c.url())
	if err != nil {
		return err
	}
	if err := authd.PoolConfig(cfg); err != nil {
		return err
	}
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	if c.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	c.cleanup = append(c.cleanup, c.pool.Close)
	if _, err := authd.Migrate(ctx, c.pool); err != nil {
		return err
	}
	c.admin, err = authd.NewAdmin(ctx, c.pool)
	return err
}

// url is of the database for servers and operators: by the proxy, or of both of a pair.
func (c *cluster) url() string {
	if c.pair != nil {
		return c.pair.url("authd", c.database)
	}
	return c.proxy.url("authd", c.database)
}

// listen puts the balancer at an address before anything else knows the issuer.
func (c *cluster) listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.issuer = "http://" + l.Addr().String()
	s := &http.Server{Handler: c.balancer, ReadHeaderTimeout: patience}
	go func() { _ = s.Serve(l) }() // it says that it was closed
	c.cleanup = append(c.cleanup, func() { _ = s.Close() })
	return nil
}

// start puts a new server in place i.
func (c *cluster) start(ctx context.Context, i int, failpoints string) error {
	s, err := launch(ctx, c.binary, c.env, failpoints)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.servers[i]; old != nil {
		c.buried = append(c.buried, old.log)
		c.restarts++
	}
	c.servers[i] = s
	c.balancer.use(i, s.public)
	return nil
}

func (c *cluster) server(i int) *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[i]
}

// logged are the lines of all servers that ever ran with text in them.
func (c *cluster) logged(text string) (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := slices.Clone(c.buried)
	for _, s := range c.servers {
		logs = append(logs, s.log)
	}
	for _, l := range logs {
		found = append(found, l.lines(text)...)
	}
	return found
}

// awaitReady returns when each server says that it is ready; a server that has ended is an error.
func (c *cluster) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range servers {
		for {
			s := c.server(i)
			if s.hasEnded() {
				return fmt.Errorf("server %d has ended; its log:\n%s", i, s.log.tail())
			}
			if status(ctx, "http://"+s.ops+"/readyz") == http.StatusOK {
				break
			}
			if !pause(ctx, 50*time.Millisecond) {
				return fmt.Errorf("server %d does not become ready again; its log:\n%s", i, s.log.tail())
			}
		}
	}
	return nil
}

// stop undoes the start, the last first.
func (c *cluster) stop() {
	for i := range servers {
		if s := c.server(i); s != nil {
			s.end(syscall.SIGKILL)
		}
	}
	for _, undo := range slices.Backward(c.cleanup) {
		undo()
	}
	c.cleanup = nil
}

// cast registers the clients and users of a storm.
func (c *cluster) cast(ctx context.Context, clients, users []string) (api string, err error) {
	for _, id := range clients {
		_, _, clientErr := c.admin.CreateClient(ctx, authd.Client{
			ID: id, AuthMethod: "none", GrantTypes: []string{"refresh_token"}, Audiences: []string{audience}, FirstParty: true,
		})
		err = errors.Join(err, clientErr)
	}
	for _, name := range users {
		_, userErr := c.admin.CreateUser(ctx, authd.NewUser{Username: name, Password: firstPassword})
		err = errors.Join(err, userErr)
	}
	_, secret, apiErr := c.admin.CreateClient(ctx, authd.Client{ID: "api", ResourceServer: true, Audiences: []string{audience}})
	return secret, errors.Join(err, apiErr)
}

const firstPassword = "plum kettle orbit seven mast"
