package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// crashDatabase is F-05: no server is started again.
func crashDatabase(ctx context.Context, s *storm, c *counts) error {
	random := seeded(s.seed, "crashes")
	for pause(ctx, 1500*time.Millisecond+time.Duration(random.Int64N(int64(2*time.Second)))) {
		s.cluster.pg.signal(syscall.SIGQUIT)
		if err := s.cluster.pg.start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		c.add("database crashes", 1)
	}
	return nil
}

// breakConnections ends backends, and connections at a COMMIT (F-03, F-06), and for a while
// lets no more than a few in (F-17).
func breakConnections(ctx context.Context, s *storm, c *counts) error {
	s.cluster.proxy.cutAfter.Store(9)
	s.cluster.proxy.cutBefore.Store(14)
	limit := func(n int) string { return fmt.Sprintf(`alter database %s connection limit %d`, s.cluster.database, n) }
	db := s.cluster.pg
	for round := 1; pause(ctx, 300*time.Millisecond); round++ {
		change := `select`
		switch round % 16 {
		case 8:
			change = limit(3)
		case 12:
			change = limit(-1)
		}
		ended, err := terminate(ctx, db, s.cluster.database, change)
		if err != nil && ctx.Err() == nil {
			return err
		}
		c.add("backends ended", ended)
	}
	s.cluster.proxy.cutAfter.Store(0)
	s.cluster.proxy.cutBefore.Store(0)
	return db.execute(context.WithoutCancel(ctx), "postgres", limit(-1))
}

func terminate(ctx context.Context, pg *postgres, database, before string) (n int, err error) {
	conn, err := pgx.Connect(ctx, pg.url("postgres", "postgres"))
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, before); err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1`, database).Scan(&n)
	return n, err
}

// slowDatabase answers late (F-14), in single bytes (F-15), and not at all (F-47), by turns.
func slowDatabase(ctx context.Context, s *storm, c *counts) error {
	p := s.cluster.proxy
	defer func() {
		p.delay.Store(0)
		p.spread.Store(0)
		p.sliced.Store(false)
		p.resume()
	}()
	s.crawl(ctx, c)
	for ctx.Err() == nil {
		p.delay.Store(int64(150 * time.Millisecond))
		pause(ctx, 2*time.Second)
		p.delay.Store(0)
		p.sliced.Store(true)
		pause(ctx, time.Second)
		p.sliced.Store(false)
		if ctx.Err() == nil {
			s.hang(ctx, c)
		}
		pause(ctx, 500*time.Millisecond)
	}
	return nil
}

// crawl is F-14: each round trip to the database takes 2 s ± 1 s. Servers answer or shed, and
// are themselves again soon after.
func (s *storm) crawl(ctx context.Context, c *counts) {
	p := s.cluster.proxy
	p.delay.Store(int64(2 * time.Second))
	p.spread.Store(int64(time.Second))
	pause(ctx, 5*time.Second)
	p.delay.Store(0)
	p.spread.Store(0)
	fast := s.history.now()
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), recovery)
	defer cancel()
	for !s.history.hasSince(fast, refresh) {
		if !pause(wait, 50*time.Millisecond) {
			c.fault("F-14: no refresh succeeds within %v after the database was slow", recovery)
			return
		}
	}
	c.add("crawls of the database", 1)
}

const (
	hangTime = 3 * time.Second
	recovery = 10 * time.Second // from a slow database
)

// hang is F-47: no server is ready while the database does not answer, and each serves what
// needs no database.
func (s *storm) hang(ctx context.Context, c *counts) {
	s.cluster.proxy.hang()
	defer s.cluster.proxy.resume()
	ctx = context.WithoutCancel(ctx)
	began := time.Now()
	for i := range servers {
		one := s.cluster.server(i)
		if got := status(ctx, "http://"+one.ops+"/readyz"); got != http.StatusServiceUnavailable {
			c.fault("F-47: /readyz says %d while the database hangs, want 503", got)
		}
		if got := status(ctx, "http://"+one.public+"/.well-known/jwks.json"); got != http.StatusOK {
			c.fault("F-47: the JWKS is answered with %d while the database hangs, want 200", got)
		}
	}
	c.add("hangs of the database", 1)
	pause(ctx, hangTime-time.Since(began))
}

// crowd sends many to one family: first while its row is locked by somebody else (F-12), then
// without (F-13).
func crowd(ctx context.Context, s *storm, c *counts) error {
	a := newActor(s, int(faithful))
	a.name, a.client = "crowd", clientNames[revoked]
	for pause(ctx, 100*time.Millisecond) {
		f := a.signInOnce(ctx)
		if f == nil {
			return nil
		}
		if err := s.lockedOut(ctx, a, f, c); err != nil && ctx.Err() == nil {
			return err
		}
		s.stampede(ctx, a, f, c)
	}
	return nil
}

const (
	waiting  = 40 // requests for one family whose row is locked
	stampede = 90 // requests for one family at once
)

// lockedOut: who waits for the locked family is told 503 or 429, and nobody else notices.
func (s *storm) lockedOut(ctx context.Context, a *actor, f *family, c *counts) error {
	conn, err := pgx.Connect(ctx, s.cluster.pg.url("postgres", s.cluster.database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `begin`); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `select from authd.token_families where id = $1 for update`, f.id); err != nil {
		return err
	}
	began := time.Now()
	for o, n := range s.all(ctx, a, f, waiting) {
		c.add("F-12, at a locked family: "+string(o), n)
		if o != unavailable && o != busy {
			c.fault("F-12: a locked family was answered %s", o)
		}
	}
	c.add("F-12, seconds that they waited", int(time.Since(began).Seconds()+0.5))
	_, err = conn.Exec(ctx, `rollback`)
	return err
}

// stampede: one step, one leaf for all, and the rest is turned away.
func (s *storm) stampede(ctx context.Context, a *actor, f *family, c *counts) {
	for o, n := range s.all(ctx, a, f, stampede) {
		c.add("F-13, at a family all at once: "+string(o), n)
		if o != ok && o != busy {
			c.fault("F-13: a family that many asked for at once was answered %s", o)
		}
	}
}

func (s *storm) all(ctx context.Context, a *actor, f *family, n int) map[outcome]int {
	answers := make(chan outcome, n)
	var requests []func()
	t := f.leaf()
	for range n {
		requests = append(requests, func() {
			c := &call{actor: a.name, client: a.client, subject: a.subject}
			s.refresh(context.WithoutCancel(ctx), c, t, false)
			answers <- c.outcome
		})
	}
	a.race(requests...)
	close(answers)
	outcomes := make(map[outcome]int)
	for o := range answers {
		outcomes[o]++
	}
	return outcomes
}

// rollServers is F-37: SIGTERM to one after the other, under load; nobody notices.
func rollServers(ctx context.Context, s *storm, c *counts) error {
	for i := 0; pause(ctx, 300*time.Millisecond); i = (i + 1) % servers {
		old := s.cluster.server(i)
		_ = old.cmd.Process.Signal(syscall.SIGTERM)
		if !old.saysNotReady(context.WithoutCancel(ctx)) {
			c.fault("F-37: a server was gone before it said that it is not ready; its log:\n%s", old.log.tail())
		}
		s.cluster.balancer.use(i, "") // as one does that asks whether servers are ready
		<-old.ended
		if code := old.cmd.ProcessState.ExitCode(); code != 0 {
			c.fault("F-37: SIGTERM ended a server with exit code %d; its log:\n%s", code, old.log.tail())
		}
		c.add("servers ended in order", 1)
		if err := s.cluster.start(context.WithoutCancel(ctx), i, ""); err != nil {
			return err
		}
	}
	return nil
}

// saysNotReady is false if the server ends before it has said so.
func (s *server) saysNotReady(ctx context.Context) bool {
	for !s.hasEnded() {
		if status(ctx, "http://"+s.ops+"/readyz") == http.StatusServiceUnavailable {
			return status(ctx, "http://"+s.public+"/.well-known/jwks.json") == http.StatusOK
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// tokenText is how a JWT begins.
var tokenText = regexp.MustCompile(`eyJ[\w-]{10,}\.`)

// panics counts what the servers' failpoints do (F-42), and ends them.
func panics(ctx context.Context, s *storm, c *counts) error {
	<-ctx.Done()
	for _, line := range s.cluster.logged("panic") {
		c.add("panics", 1)
		if tokenText.MatchString(line) {
			c.fault("F-42: the log of a panic has a token: %s", line)
		}
	}
	return nil
}
