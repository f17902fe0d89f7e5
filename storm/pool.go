package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pool has the youngest access tokens.
type pool struct {
	mu     sync.Mutex
	tokens []token
	next   int
}

const pooled = 200

func (p *pool) add(t token) {
	if t.text == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) < pooled {
		p.tokens = append(p.tokens, t)
		return
	}
	p.tokens[p.next%pooled] = t
	p.next++
}

func (p *pool) any(random *rand.Rand) (token, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) == 0 {
		return token{}, false
	}
	return p.tokens[random.IntN(len(p.tokens))], true
}

const betweenIntrospections = 20 * time.Millisecond

// watch introspects tokens of any family all along.
func (s *storm) watch(ctx context.Context) {
	random := seeded(s.seed, "introspection")
	for pause(ctx, betweenIntrospections) {
		if t, found := s.access.any(random); found {
			s.introspect(context.WithoutCancel(ctx), "introspector", t)
		}
	}
}
