package backchannel

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Run delivers until ctx ends, and waits for the attempts that are under way, which end with
// ctx, too: what they had claimed is due again when the claim is over.
func (c *Courier) Run(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	c.run(ctx, tick.C)
}

func (c *Courier) run(ctx context.Context, sweep <-chan time.Time) {
	r := &round{courier: c, clients: make(map[string]state), done: make(chan result, maxClients)}
	defer r.workers.Wait()
	for {
		r.dispatch(ctx)
		select {
		case <-ctx.Done():
			return
		case <-c.hint:
		case <-sweep:
			r.wakeResting()
		case end := <-r.done:
			r.clients[end.client] = resting
			if end.ok { // what came since it looked last is found now
				delete(r.clients, end.client)
			}
		}
	}
}

// state of a client; without one it can be told something.
type state int

const (
	busy    state = iota + 1 // a worker is at it
	resting                  // it has failed, and has peace until the next sweep
)

// round is what Run knows. Only Run's goroutine uses it.
type round struct {
	courier *Courier
	clients map[string]state
	last    string // that was given a worker
	done    chan result
	workers sync.WaitGroup
}

type result struct {
	client string
	ok     bool
}

func (r *round) wakeResting() {
	for id, s := range r.clients {
		if s == resting {
			delete(r.clients, id)
		}
	}
}

// dispatch gives each client that has to be told something a worker, as far as there are any.
func (r *round) dispatch(ctx context.Context) {
	ids, err := r.courier.cfg.DB.ClientsWithNotices(ctx)
	if err != nil && ctx.Err() == nil {
		r.courier.cfg.Logger.WarnContext(ctx, "upkeep", "table", "logout_notices", "err", err)
	}
	free := maxClients
	for _, s := range r.clients {
		if s == busy {
			free--
		}
	}
	for _, id := range after(r.last, ids) {
		if free > 0 && r.clients[id] == 0 {
			free--
			r.clients[id], r.last = busy, id
			r.workers.Go(func() { r.done <- result{id, r.courier.tell(ctx, id)} })
		}
	}
}

// after puts those first that come after last, so that nobody waits for a place for ever.
func after(last string, ids []string) []string {
	slices.Sort(ids)
	i, found := slices.BinarySearch(ids, last)
	if found {
		i++
	}
	return slices.Concat(ids[i:], ids[:i])
}
