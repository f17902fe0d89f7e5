package grants

import (
	"net/netip"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// How often one network may try, at one server: so many at once, and then one each so often.
// The account's own throttle is for guessing at one account; this is for one guess at many.
const (
	attemptsAtOnce      = 100
	attemptEvery        = 6 * time.Second
	registrationsAtOnce = 30
	registrationEvery   = time.Minute
	// maxNetworks bounds the memory of a limiter to some megabytes. Whoever has more
	// networks is not stopped by counting them, and they are forgotten.
	maxNetworks = 1 << 16
)

// limiter is a token bucket for each network. It is in memory: a flood is for each server to
// keep out, without a write of its own.
type limiter struct {
	now    func() time.Time
	atOnce int
	every  time.Duration

	mu   sync.Mutex
	full map[netip.Prefix]time.Time // when the bucket is full again
}

func newLimiter(now func() time.Time, atOnce int, every time.Duration) *limiter {
	return &limiter{now: now, atOnce: atOnce, every: every, full: make(map[netip.Prefix]time.Time)}
}

// take takes a token out of the bucket of a's network. wait is 0, or how long until there is
// one, and then nothing is taken. The zero address counts for nobody.
func (l *limiter) take(a netip.Addr) (wait time.Duration) {
	if !a.IsValid() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, network := l.now(), oauth.Network(a)
	full := l.full[network]
	if full.Before(now) {
		full = now
	}
	if wait = full.Sub(now) - time.Duration(l.atOnce-1)*l.every; wait > 0 {
		return wait
	}
	l.keep(network, full.Add(l.every), now)
	return 0
}

func (l *limiter) keep(network netip.Prefix, full, now time.Time) {
	if _, known := l.full[network]; !known && len(l.full) >= maxNetworks {
		l.forget(now)
	}
	l.full[network] = full
}

// forget drops the buckets that are full again, and if none is, all.
func (l *limiter) forget(now time.Time) {
	for network, full := range l.full {
		if !full.After(now) {
			delete(l.full, network)
		}
	}
	if len(l.full) >= maxNetworks {
		clear(l.full)
	}
}

// giveBack undoes a take.
func (l *limiter) giveBack(a netip.Addr) {
	if !a.IsValid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	network := oauth.Network(a)
	if full, known := l.full[network]; known {
		l.full[network] = full.Add(-l.every)
	}
}
