package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// pair is a primary and its standby, which servers know both.
type pair struct{ primary, standby *postgres }

const standbyName = "s2"

// newPair returns when the standby follows; synchronous: commits wait for it.
func newPair(ctx context.Context, home string, synchronous bool) (*pair, error) {
	name := fmt.Sprintf("pair%d", time.Now().UnixNano()%1_000_000)
	primary, err := newPostgres(home, name+"a")
	if err != nil {
		return nil, err
	}
	standby, err := newPostgres(home, name+"b")
	if err != nil {
		return nil, err
	}
	p := &pair{primary, standby}
	if synchronous {
		primary.settings = []string{"synchronous_standby_names=" + standbyName}
	}
	if err := p.start(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pair) start(ctx context.Context) error {
	if err := errors.Join(p.primary.initdb(ctx), p.primary.start(ctx)); err != nil {
		return err
	}
	from := fmt.Sprintf("host=%s port=%s user=postgres application_name=%s", p.primary.socket, port, standbyName)
	if err := p.standby.run(ctx, "pg_basebackup", "-d", from, "-D", p.standby.dir, "-R", "-X", "stream", "-c", "fast"); err != nil {
		return err
	}
	if err := p.standby.start(ctx); err != nil {
		return err
	}
	_, err := p.receiver(ctx)
	return err
}

// receiver waits until the standby receives, and returns the process that does.
func (p *pair) receiver(ctx context.Context) (pid int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err = p.standby.ask(ctx, "postgres", `select coalesce((select pid from pg_stat_wal_receiver where status = 'streaming'), 0)`, &pid)
		if err != nil || pid != 0 {
			return pid, err
		}
		if !pause(ctx, 20*time.Millisecond) {
			return 0, errors.New("the standby does not follow the primary")
		}
	}
}

// url names both, so that servers follow.
func (p *pair) url(role, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s,%s&port=%s,%s&target_session_attrs=read-write",
		role, database, p.primary.socket, p.standby.socket, port, port)
}

func (p *pair) stop() {
	p.primary.signal(syscall.SIGQUIT)
	p.standby.signal(syscall.SIGQUIT)
}

// promote ends the standby's wish to follow and makes it the primary.
func (p *pair) promote(ctx context.Context) error {
	var done bool
	if err := p.standby.ask(ctx, "postgres", `select pg_promote()`, &done); err != nil {
		return err
	}
	if !done {
		return errors.New("the standby was not promoted")
	}
	return nil
}

// unfollow makes the standby receive no more.
func (p *pair) unfollow(ctx context.Context) error {
	return p.standby.execute(ctx, "postgres", `alter system set primary_conninfo = ''`, `select pg_reload_conf()`)
}

// ask reads one value as superuser.
func (p *postgres) ask(ctx context.Context, database, query string, into any) error {
	conn, err := pgx.Connect(ctx, p.url("postgres", database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, query).Scan(into)
}

const (
	untilFailure = 3 * time.Second
	alone        = 2 * time.Second // that the primary works on without the standby
)

// failOver is F-07 and F-10. The standby stops in the middle of the load, and whoever waits for
// it is cancelled: nothing may be acknowledged. Then the primary is killed, and the standby,
// which has none of that, takes its place.
func failOver(ctx context.Context, s *storm, c *counts) error {
	if !pause(ctx, untilFailure) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	p := s.cluster.pair
	receiver, err := p.receiver(ctx)
	if err != nil {
		return err
	}
	if err := syscall.Kill(receiver, syscall.SIGSTOP); err != nil {
		return err
	}
	from := s.history.now()
	for until := time.Now().Add(alone); time.Now().Before(until); pause(ctx, 20*time.Millisecond) {
		var cancelled int
		if err := p.primary.ask(ctx, "postgres", `select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'`, &cancelled); err != nil {
			return err
		}
		c.add("F-10, waits for the standby that were cancelled", cancelled)
	}
	p.primary.signal(syscall.SIGKILL)
	s.alone = [2]time.Duration{from, s.history.now()}
	if err := p.unfollow(ctx); err != nil { // it ends the receiver, once that goes on
		return err
	}
	return s.takeOver(ctx, c, func() error { return syscall.Kill(receiver, syscall.SIGCONT) })
}

func (s *storm) takeOver(ctx context.Context, c *counts, before func() error) error {
	if err := before(); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	p := s.cluster.pair
	if err := p.promote(ctx); err != nil {
		return err
	}
	s.cluster.pg = p.standby
	c.add("fail-overs", 1)
	return nil
}

// loseData is F-08: an asynchronous standby falls behind, and takes the place of the primary.
// One family is older than that, and what its client knows is newer than what is left.
func loseData(ctx context.Context, s *storm, c *counts) error {
	if !pause(ctx, untilFailure) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	p := s.cluster.pair
	a := newActor(s, int(faithful))
	a.name = "patient"
	f := a.signInOnce(ctx)
	if err := p.awaitCopy(ctx, s.cluster.database, f.id); err != nil {
		return err
	}
	if err := p.unfollow(ctx); err != nil {
		return err
	}
	a.play(ctx, []*family{f}, 3)
	pause(ctx, alone)
	p.primary.signal(syscall.SIGKILL)
	if err := s.takeOver(ctx, c, func() error { return nil }); err != nil {
		return err
	}
	a.play(ctx, []*family{f}, 1)
	if !f.isDead() {
		c.fault("F-08: a family goes on with a token that is newer than the database")
	}
	return nil
}

// awaitCopy returns when the standby has the family.
func (p *pair) awaitCopy(ctx context.Context, database, family string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var there bool
		query := `select exists (select from authd.token_families where id = '` + family + `')`
		if err := p.standby.ask(ctx, database, query, &there); err != nil || there {
			return err
		}
		if !pause(ctx, 20*time.Millisecond) {
			return errors.New("the standby does not follow the primary")
		}
	}
}

// checkAlone is F-10: what nobody but the primary had was not acknowledged.
func (l *ledger) checkAlone(add adder) {
	for _, c := range l.calls {
		if c.start > l.alone[0] && c.end < l.alone[1] && c.outcome == ok && c.deed != introspect {
			add(4, l.byID[c.family], "F-10: acknowledged although the standby did not have it: %v", c)
		}
	}
}

// isRumour: introspection on the lonely primary shows ends that were answered 503, since a wait
// that was cancelled leaves its commit there for all to see. Nobody was promised them, and the
// standby may never have them.
func (l *ledger) isRumour(c *call) bool {
	return c.deed == introspect && !c.active && c.end > l.alone[0] && c.start < l.alone[1]
}
