package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// part is a storm with one kind of fault.
type part struct {
	name, about string
	length      time.Duration
	grace       time.Duration
	failpoints  func(i int) string
	fault       func(ctx context.Context, s *storm, c *counts) error // until ctx ends
	least       map[string]int                                       // of what must have been seen
	noLosses    bool                                                 // no answers are lost on purpose
	quiet       bool                                                 // nobody but those that the fault sends may hear that nothing is known
	standby     standby
	panics      bool // a 500 is as good as a 503
}

// standby is what the database has.
type standby int

const (
	none standby = iota
	synchronous
	asynchronous // and behind: what was acknowledged is lost, and the checker has to see it
)

const (
	actors    = 12
	lostOneIn = 7 // about 15 %
)

// run returns an error if it could not try; what it found is in the report.
func (p part) run(ctx context.Context, pg *postgres, home, binary string, o options) (*report, error) {
	s, stop, err := p.begin(ctx, pg, home, binary, o)
	if err != nil {
		return nil, err
	}
	defer stop()
	counts := newCounts()
	if err := p.drive(ctx, s, counts); err != nil {
		return nil, err
	}
	if err := p.settle(ctx, s, counts); err != nil {
		return nil, err
	}
	l, err := newLedger(ctx, s)
	if err != nil {
		return nil, err
	}
	return newReport(p, s, l, counts), nil
}

// begin starts servers over an empty database, or over a pair of the part's own.
func (p part) begin(ctx context.Context, pg *postgres, home, binary string, o options) (s *storm, stop func(), err error) {
	var both *pair
	stop = func() {}
	if p.standby != none {
		if both, err = newPair(ctx, home, p.standby == synchronous); err != nil {
			return nil, nil, err
		}
		stop, pg = both.stop, both.primary
	}
	c, err := startCluster(ctx, pg, both, binary, p)
	if err != nil {
		stop()
		return nil, nil, err
	}
	stop = func() {
		c.stop()
		if both != nil {
			both.stop()
		}
	}
	if s, err = p.cast(ctx, c, o); err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

// cast registers clients and users, and makes an actor of each.
func (p part) cast(ctx context.Context, c *cluster, o options) (*storm, error) {
	s := &storm{
		cluster: c, grace: p.grace, seed: o.seed, http: newHTTPClient(),
		access: new(pool), lostOneIn: lostOneIn, panics: p.panics,
	}
	if p.noLosses {
		s.lostOneIn = 0
	}
	var users []string
	for i := range actors * o.load {
		users = append(users, userName(i))
	}
	var err error
	if s.api, err = c.cast(ctx, clientNames, users); err != nil {
		return nil, err
	}
	for i := range users {
		s.actors = append(s.actors, newActor(s, i))
	}
	s.history = newHistory()
	return s, nil
}

// drive lets actors and faults loose for the length of the part, and waits until all that is
// under way has come to its end.
func (p part) drive(ctx context.Context, s *storm, counts *counts) error {
	ctx, cancel := context.WithTimeout(ctx, p.length)
	defer cancel()
	var acting sync.WaitGroup
	for _, a := range s.actors {
		acting.Go(func() { a.run(ctx) })
	}
	acting.Go(func() { s.watch(ctx) })
	faulted := make(chan error, 1)
	go func() {
		if p.fault == nil {
			faulted <- nil
			return
		}
		err := p.fault(ctx, s, counts)
		if err != nil {
			cancel()
		}
		faulted <- err
	}()
	err := <-faulted
	acting.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return err
}

// settle: when the faults are over, every server is ready again by itself, and serves.
func (p part) settle(ctx context.Context, s *storm, counts *counts) error {
	if err := s.cluster.awaitReady(ctx); err != nil {
		return err
	}
	a := s.actors[faithful]
	a.name, a.client = "afterwards", clientNames[faithful]
	s.lostOneIn = 0
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f := a.signInOnce(wait)
	if f == nil {
		return errors.New("nobody can sign in when the faults are over")
	}
	a.play(wait, []*family{f}, servers)
	if f.leaf().gen != servers {
		counts.fault("when the faults were over, %d refreshes led to generation %d", servers, f.leaf().gen)
	}
	return nil
}
