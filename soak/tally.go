package main

import (
	"context"
	"errors"
	"time"
)

// tally counts what one verifier did. Only the verifier's goroutine touches it until the end.
type tally struct {
	*verifier
	queue chan token    // new tokens, all that a part can issue
	wait  time.Duration // younger tokens it does not see

	tokens, verifications int
	byKID                 map[string]int // verifications that went well
	failures              []failure
	oldest, slowest       time.Duration
	fetches               int // of the JWKS
	died                  error
	tookForged            bool
}

// failure is a good token that was refused.
type failure struct {
	reason, kid string
	age         time.Duration
	at          time.Time
}

func newTally(v *verifier, tokens int) *tally {
	return &tally{verifier: v, queue: make(chan token, tokens), byKID: make(map[string]int)}
}

// verifyNew verifies a new token and then some of any age.
func (t *tally) verifyNew(ctx context.Context, p *pool, fresh token) {
	sleepUntil(ctx, fresh.issued.Add(t.wait))
	t.tokens++
	t.verifyOne(ctx, fresh)
	for range oldPerNew {
		if old, ok := p.any(time.Now()); ok && time.Since(old.issued) >= t.wait {
			t.verifyOne(ctx, old)
		}
	}
}

func (t *tally) verifyOne(ctx context.Context, one token) {
	if t.died != nil {
		return
	}
	start := time.Now()
	err := t.verify(ctx, one.text)
	t.verifications++
	t.slowest = max(t.slowest, time.Since(start))
	age := start.Sub(one.issued)
	if err == nil {
		t.byKID[one.kid]++
		t.oldest = max(t.oldest, age)
		return
	}
	if errors.Is(err, errDied) {
		t.died = err
	}
	t.failures = append(t.failures, failure{reason: err.Error(), kid: one.kid, age: age, at: start})
}
