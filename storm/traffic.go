package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// sessions refresh all the time, one request after the other each.
const (
	sessions       = 8
	betweenRefresh = 50 * time.Millisecond
)

// traffic is refreshes that have nothing to do with what goes on in the database.
type traffic struct {
	*storm
	leaves []token

	mu     sync.Mutex
	n      int
	wrong  []string
	opened *window
}

// newTraffic signs people in.
func newTraffic(ctx context.Context, c *cluster, seed uint64) (*traffic, error) {
	t := &traffic{storm: &storm{cluster: c, grace: 30 * time.Second, seed: seed, http: newHTTPClient(), access: new(pool), history: newHistory()}}
	var users []string
	for i := range sessions {
		users = append(users, userName(i))
	}
	if _, err := c.cast(ctx, clientNames[:1], users); err != nil {
		return nil, err
	}
	for _, user := range users {
		a, call := t.signIn(ctx, user, clientNames[0], user, firstPassword)
		if call.outcome != ok {
			return nil, fmt.Errorf("%v", call)
		}
		t.leaves = append(t.leaves, a.refresh)
	}
	return t, nil
}

// start returns what ends it: each request under way is waited for.
func (t *traffic) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for i := range t.leaves {
		running.Go(func() { t.play(ctx, i) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

func (t *traffic) play(ctx context.Context, i int) {
	for pause(ctx, betweenRefresh) {
		c := &call{actor: userName(i), client: clientNames[0]}
		began := time.Now()
		a := t.refresh(context.WithoutCancel(ctx), c, t.leaves[i], false)
		t.note(c, t.leaves[i], time.Since(began))
		if c.outcome != ok {
			return
		}
		t.leaves[i] = a.refresh
	}
}

func (t *traffic) note(c *call, presented token, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	if c.outcome != ok || c.newGen != presented.gen+1 {
		t.wrong = append(t.wrong, c.String())
	}
	if t.opened != nil {
		t.opened.took = append(t.opened.took, took)
	}
}

func (t *traffic) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

func (t *traffic) faults() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.wrong)
}

// window is the time of some refreshes.
type window struct {
	traffic *traffic
	took    []time.Duration
}

// window notes what comes from now on.
func (t *traffic) window() *window {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened = &window{traffic: t}
	return t.opened
}

func (w *window) end() {
	w.traffic.mu.Lock()
	defer w.traffic.mu.Unlock()
	w.traffic.opened = nil
}

func (w *window) p99() time.Duration {
	if len(w.took) == 0 {
		return 0
	}
	all := slices.Sorted(slices.Values(w.took))
	return all[len(all)*99/100].Round(100 * time.Microsecond)
}
