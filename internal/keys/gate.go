package keys

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/go-authd/authd/internal/oauth"
)

// maxWait is how long a client waits for its turn at the signer before it would rather
// have been turned away: clients give up after some seconds, and a refresh signs twice.
const maxWait = 2 * time.Second

// maxRemote is how many signatures a KMS or HSM is asked for at once.
const maxRemote = 64

// gate lets so many signatures run at once, first come, first served. Of those that are
// made here, GOMAXPROCS: more would only take turns on the same processors and finish
// later, all of them.
type gate struct {
	slots   *semaphore.Weighted
	size    int64
	inside  atomic.Int64 // waiting or signing
	average atomic.Int64 // of one signature, in nanoseconds; moves by 1/16
	signed  atomic.Uint64
}

func newGate(size int) *gate {
	return &gate{slots: semaphore.NewWeighted(int64(size)), size: int64(size)}
}

// do runs sign when its turn has come, or returns [oauth.Busy] if ctx ends before.
func (g *gate) do(ctx context.Context, sign func() error) error {
	g.inside.Add(1)
	defer g.inside.Add(-1)
	if err := g.slots.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for the signer: %w: %w", oauth.Busy, err)
	}
	defer g.slots.Release(1)
	start := time.Now()
	if err := sign(); err != nil {
		return err
	}
	g.signed.Add(1)
	g.measure(time.Since(start))
	return nil
}

// start is do for a signature that may hang: it returns when ctx ends, at the latest after
// hookTimeout. The signature keeps its slot until it ends, and is counted as inside: where
// all hang, isFull turns those away who come next.
func (g *gate) start(ctx context.Context, h *hooks, sign func() (string, error)) (string, error) {
	g.inside.Add(1)
	if err := g.slots.Acquire(ctx, 1); err != nil {
		g.inside.Add(-1)
		return "", fmt.Errorf("wait for the signer: %w: %w", oauth.Busy, err)
	}
	begin := time.Now()
	token, err := call(ctx, h, hookCall[string]{doing: doSign, run: func(context.Context) (string, error) {
		defer g.inside.Add(-1)
		defer g.slots.Release(1)
		return sign()
	}})
	if ctx.Err() == nil { // else it was the client who took no longer
		g.measure(time.Since(begin))
	}
	if err == nil {
		g.signed.Add(1)
	}
	return token, err
}

// measure loses a sample when two goroutines store at once, which does no harm.
func (g *gate) measure(d time.Duration) {
	old := g.average.Load()
	if old == 0 {
		g.average.Store(int64(d))
		return
	}
	g.average.Store(old + (int64(d)-old)/16)
}

// isFull reports whether who comes now would wait longer than maxWait.
func (g *gate) isFull() bool {
	return g.inside.Load()*g.average.Load()/g.size > int64(maxWait)
}

// waiting counts those whose turn has not come.
func (g *gate) waiting() int { return int(max(g.inside.Load()-g.size, 0)) }
