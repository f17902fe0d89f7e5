package tokens

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/go-authd/authd/internal/oauth"
)

func enter(t *testing.T, g *gate, family string) func() {
	t.Helper()
	leave, err := g.enter(t.Context(), family)
	if err != nil {
		t.Fatal(err)
	}
	return leave
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
			defer leave()
			inside++ // the race detector watches this, too
			most = max(most, inside)
			inside--
		})
	}
	wg.Wait()

	if most != 1 {
		t.Errorf("%d were inside at once", most)
	}
	if len(g.families) != 0 {
		t.Errorf("%d queues are kept for nobody", len(g.families))
	}
}

func TestGateDoesNotMixFamilies(t *testing.T) {
	t.Parallel()
	g := newGate()
	leave := enter(t, g, "a")
	defer leave()

	enter(t, g, "b")() // does not wait
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
	for waiting := 0; waiting < maxRacers+1; {
		g.mu.Lock()
		waiting = g.families["f"].waiting
		g.mu.Unlock()
	}

	_, err := g.enter(t.Context(), "f")

	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.HTTPStatus() != 429 {
		t.Errorf("got %v, want 429", err)
	}
	giveUp()
	wg.Wait()
	leave()
	enter(t, g, "f")()
	if len(g.families) != 0 {
		t.Errorf("%d queues are kept for nobody", len(g.families))
	}
}
