package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// actor is a person at a client, and what befalls them. Each has its own user; a client is
// shared by some.
type actor struct {
	*storm
	name, user, password, client string
	subject                      string
	kind                         kind
	random                       *rand.Rand
}

type kind int

const (
	faithful kind = iota // nothing befalls them
	robbed               // thieves
	revoked              // ended one family at a time
	ruled                // ended by subject, or with the client
	kinds
)

// newActor decides by seed and name alone, so that a seed replays the decisions.
func newActor(s *storm, i int) *actor {
	a := &actor{
		storm: s, kind: kind(i % int(kinds)), name: fmt.Sprintf("actor-%d", i),
		user: userName(i), password: firstPassword, random: seeded(s.seed, fmt.Sprint("actor ", i)),
	}
	a.client = clientNames[a.kind]
	return a
}

func seeded(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func userName(i int) string { return fmt.Sprintf("person%d", i) }

// clientNames by kind: what ends a client befalls only who signs in there.
var clientNames = []string{"calm", "calm-too", "app", "shared"}

// family is one sign-in as its client keeps it: the store is shared by the tabs.
type family struct {
	id    string
	born  *call
	tabs  int
	owner *actor

	mu     sync.Mutex
	tokens []token // the last is what the tabs use
	access []token
	dead   bool
}

func (f *family) leaf() token {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens[len(f.tokens)-1]
}

// keep stores an answer, unless another tab has stored a later one.
func (f *family) keep(a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.refresh.gen > f.tokens[len(f.tokens)-1].gen {
		f.tokens = append(f.tokens, a.refresh)
	}
	f.access = append(f.access, a.access)
}

func (f *family) hasMovedFrom(gen int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead || f.tokens[len(f.tokens)-1].gen > gen
}

func (f *family) die() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
}

func (f *family) isDead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// run lives one life after the other until ctx ends. Calls that are under way then come to
// their end.
func (a *actor) run(ctx context.Context) {
	for ctx.Err() == nil {
		a.life(ctx)
	}
}

func (a *actor) life(ctx context.Context) {
	n := 1
	if a.kind == ruled {
		n += a.random.IntN(2)
	}
	var families []*family
	for range n {
		if f := a.signInOnce(ctx); f != nil {
			families = append(families, f)
		}
	}
	if len(families) == 0 {
		return
	}
	a.play(ctx, families, 2+a.random.IntN(4))
	fates[a.kind][a.random.IntN(len(fates[a.kind]))](ctx, a, families)
}

// signInOnce tries until it is done; nil when ctx ends before.
func (a *actor) signInOnce(ctx context.Context) *family {
	tabs := 1 + a.random.IntN(3)
	for try := 0; ctx.Err() == nil; try++ {
		r, c := a.signIn(context.WithoutCancel(ctx), a.name, a.client, a.user, a.password)
		if c.outcome == ok {
			a.subject = r.refresh.sub
			return &family{id: r.refresh.family, born: c, tabs: tabs, owner: a, tokens: []token{r.refresh}, access: []token{r.access}}
		}
		pause(ctx, min(time.Duration(try+1)*100*time.Millisecond, time.Second))
	}
	return nil
}

const (
	betweenRounds  = 30 * time.Millisecond
	betweenRetries = 25 * time.Millisecond
	mostTries      = 200 // longer than any outage of a storm
)

func (a *actor) play(ctx context.Context, families []*family, rounds int) {
	for range rounds {
		for _, f := range families {
			if ctx.Err() != nil {
				return
			}
			a.round(ctx, f)
		}
		pause(ctx, a.jitter(betweenRounds))
	}
}

func (a *actor) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(a.random.Int64N(int64(d)))
}

// round lets every tab refresh what is in the store, at once, and each retry until one of
// them has the successor or the family is dead.
func (a *actor) round(ctx context.Context, f *family) {
	if f.isDead() {
		return
	}
	t := f.leaf()
	var tabs sync.WaitGroup
	for i := range f.tabs {
		random := rand.New(rand.NewPCG(a.random.Uint64(), a.random.Uint64()))
		tabs.Go(func() { a.tab(ctx, f, t, i, random) })
	}
	tabs.Wait()
}

// tab goes on when ctx ends: a storm ends with rounds that are whole.
func (a *actor) tab(ctx context.Context, f *family, t token, i int, random *rand.Rand) {
	ctx = context.WithoutCancel(ctx)
	name := fmt.Sprintf("%s/%d", a.name, i+1)
	for try := 1; ; try++ {
		lose := a.lostOneIn > 0 && random.IntN(a.lostOneIn) == 0
		c := &call{actor: name, client: a.client, subject: a.subject}
		r := a.refresh(ctx, c, t, lose)
		switch c.outcome {
		case ok:
			f.keep(r)
			return
		case invalid:
			f.die()
			return
		case refused: // the client is disabled, for a moment
		}
		pause(ctx, min(time.Duration(try)*betweenRetries, 500*time.Millisecond))
		if f.hasMovedFrom(t.gen) || try == mostTries {
			return
		}
	}
}
