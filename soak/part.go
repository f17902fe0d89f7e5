package main

import (
	"context"
	"errors"
	"time"
)

// part is one soak with its own database, servers and verifiers.
type part struct {
	name, about string
	settings    []string // of the servers
	tuning      tuning
	length      time.Duration
	byHand      []time.Duration          // when `authd keys rotate` runs; never where the servers rotate by themselves
	least       int                      // rotations without which the part has shown nothing
	bits        []int                    // lengths of which a key must have signed
	waits       map[string]time.Duration // how old a token is when the verifier first sees it
}

const fastPeriod = 5 * time.Second

func fast(short bool) part {
	p := part{
		name: "fast", tuning: tuned, length: 2 * time.Minute, bits: []int{2048, 3072, 4096},
		about: "the servers rotate every 5 s, with a max-age and a snapshot cap of 1 s; verifiers look an unknown kid up at once",
		settings: []string{
			"AUTHD_JWKS_MAX_AGE=1s", "AUTHD_KEY_POLL=200ms", "AUTHD_KEY_SNAPSHOT_CAP=1s", "AUTHD_CLOCK_SKEW=0s",
			"AUTHD_KEY_LEAD=5s", "AUTHD_KEY_PERIOD=5s",
		},
	}
	if short {
		p.length, p.bits = 20*time.Second, []int{4096} // the others are up to how fast the machine is
	}
	p.least = int(p.length/fastPeriod) - 2
	return p
}

func defaults(short bool) part {
	if short {
		return part{
			name: "defaults", tuning: untuned, length: 12 * time.Second, least: 1, bits: []int{3072, 4096},
			about: "every verifier with its own defaults; one rotation, to a key that stood in the set which each of them holds",
			settings: []string{
				"AUTHD_JWKS_MAX_AGE=1s", "AUTHD_KEY_POLL=200ms", "AUTHD_KEY_SNAPSHOT_CAP=1s", "AUTHD_CLOCK_SKEW=0s",
			},
			byHand: []time.Duration{6 * time.Second},
		}
	}
	return part{
		name: "defaults", tuning: untuned, length: 150 * time.Second, least: 3, bits: []int{2048, 3072, 4096},
		about: "every verifier with its own defaults; three rotations 40 s apart; keyfunc sees a token when it is 5 s old",
		settings: []string{
			"AUTHD_JWKS_MAX_AGE=10s", "AUTHD_KEY_POLL=1s", "AUTHD_KEY_SNAPSHOT_CAP=5s", "AUTHD_CLOCK_SKEW=0s",
		},
		// keyfunc looks an unknown kid up once in 5 minutes, here after the second rotation. A
		// replica that has not read that rotation yet answers without the key announced by it,
		// which is the one that signs after the third. A token as old as the snapshot cap meets
		// no such replica.
		waits:  map[string]time.Duration{"keyfunc": 5 * time.Second},
		byHand: []time.Duration{40 * time.Second, 80 * time.Second, 120 * time.Second},
	}
}

// drainTime bounds how long verifiers may need for what is in their queues at the end.
const drainTime = 30 * time.Second

// run returns an error if it could not try; what it found is in the report.
func (p part) run(ctx context.Context, authd string) (r *report, err error) {
	c, err := startCluster(ctx, authd, p.settings)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	vctx, cancel := context.WithTimeout(ctx, p.length+drainTime)
	defer cancel()
	verifiers, err := startVerifiers(vctx, c, p.tuning)
	if err != nil {
		return nil, err
	}
	load := newLoad(c, verifiers, p)
	if err := p.drive(ctx, vctx, c, load); err != nil {
		return nil, err
	}
	return newReport(ctx, p, c, load)
}

// drive issues, verifies and rotates for the length of the part, and then until every
// verifier has seen every token.
func (p part) drive(ctx, vctx context.Context, c *cluster, load *load) error {
	verified := load.verify(vctx)
	ictx, stop := context.WithTimeout(ctx, p.length)
	defer stop()
	issued := load.issue(ictx)
	rotated := make(chan error, 1)
	go func() { rotated <- p.rotate(ictx, c, load.start) }()
	select {
	case <-ictx.Done():
	case err := <-c.died:
		return err
	}
	issued.Wait()
	if err := <-rotated; err != nil {
		return err
	}
	load.close()
	verified.Wait()
	return errors.Join(ctx.Err(), load.refuseForged(vctx))
}

// rotate rotates by hand. A rotation that the part has no time for is missed in the report.
func (p part) rotate(ctx context.Context, c *cluster, start time.Time) error {
	for _, at := range p.byHand {
		if !sleepUntil(ctx, start.Add(at)) {
			return nil
		}
		if err := c.rotate(context.WithoutCancel(ctx), 2048); err != nil {
			return err
		}
	}
	return nil
}

// sleepUntil is false if ctx ends before.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
