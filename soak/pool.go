package main

import (
	"math/rand/v2"
	"sync"
	"time"
)

// token is one access token.
type token struct {
	text, kid string
	issued    time.Time
}

// pool has all tokens in about the order of their age.
type pool struct {
	mu     sync.Mutex
	tokens []token
	live   int            // the first that lives
	byKID  map[string]int // how many tokens a key signed
}

// lastMoments of a token's life are left out: a verifier may see it after its end.
const lastMoments = 5 * time.Second

func newPool() *pool { return &pool{byKID: make(map[string]int)} }

func (p *pool) add(t token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = append(p.tokens, t)
	p.byKID[t.kid]++
}

// any returns a token that lives, each with the same chance.
func (p *pool) any(now time.Time) (token, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.live < len(p.tokens) && now.Sub(p.tokens[p.live].issued) > tokenLife-lastMoments {
		p.live++
	}
	if p.live == len(p.tokens) {
		return token{}, false
	}
	return p.tokens[p.live+rand.IntN(len(p.tokens)-p.live)], true
}

func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tokens)
}
