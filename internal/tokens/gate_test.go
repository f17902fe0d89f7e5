package tokens

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

func enter(t *testing.T, g *gate, family string) func(error) {
	t.Helper()
	leave, err := g.enter(t.Context(), family)
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

// awaitRacers returns when n have come for the family, the one inside included.
func (g *gate) awaitRacers(family string, n int) {
	for waiting := 0; waiting < n; {
		g.mu.Lock()
		waiting = g.queues[family].waiting
		g.mu.Unlock()
	}
}

func TestGateLetsOneIn(t *testing.T) {
	t.Parallel()
	g := newGate()
	var inside, most int
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			leave, err := g.enter(t.Context(), "f")
			if err != nil {
				t.Error(err)
				return
			}
			defer leave(nil)
			inside++ // the race detector watches this, too
			most = max(most, inside)
			inside--
		})
	}
	wg.Wait()

	if most != 1 {
		t.Errorf("%d were inside at once", most)
	}
	if len(g.queues) != 0 {
		t.Errorf("%d queues are kept for nobody", len(g.queues))
	}
}

func TestGateDoesNotMixFamilies(t *testing.T) {
	t.Parallel()
	g := newGate()
	leave := enter(t, g, "a")
	defer leave(nil)

	enter(t, g, "b")(nil) // does not wait
}

// D-07, §4.3: who would be the 65th to wait is told to come back.
func TestGateOverflow(t *testing.T) {
	t.Parallel()
	g := newGate()
	leave := enter(t, g, "f")
	ctx, giveUp := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range maxRacers {
		wg.Go(func() {
			if _, err := g.enter(ctx, "f"); !errors.Is(err, oauth.Busy) {
				t.Errorf("a request that ended first got %v, want Busy", err)
			}
		})
	}
	g.awaitRacers("f", maxRacers+1)

	_, err := g.enter(t.Context(), "f")

	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.HTTPStatus() != 429 {
		t.Errorf("got %v, want 429", err)
	}
	giveUp()
	wg.Wait()
	leave(nil)
	enter(t, g, "f")(nil)
	if len(g.queues) != 0 {
		t.Errorf("%d queues are kept for nobody", len(g.queues))
	}
}

// F-12: who waits behind a request that gave up on the row gives up at once, and holds
// nobody up who comes later.
func TestGateSendsTheQueueAway(t *testing.T) {
	t.Parallel()
	g := newGate()
	leave := enter(t, g, "f")
	var wg sync.WaitGroup
	for range maxRacers {
		wg.Go(func() {
			if _, err := g.enter(t.Context(), "f"); !errors.Is(err, db.ErrLocked) {
				t.Errorf("got %v, want ErrLocked", err)
			}
		})
	}
	g.awaitRacers("f", maxRacers+1)

	leave(fmt.Errorf("lock family: %w", db.ErrLocked))
	enter(t, g, "f")(nil)

	wg.Wait()
	if len(g.queues) != 0 {
		t.Errorf("%d queues are kept for nobody", len(g.queues))
	}
}
