package tokens

import (
	"context"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// maxRacers bounds the requests of this process that wait for one family.
const maxRacers = 64

// gate lets the requests for one family through one by one, so that those which wait hold
// no database connection. It is an economy only: the row lock is what makes them safe.
type gate struct {
	mu       sync.Mutex
	families map[string]*queue
}

type queue struct {
	turn    chan struct{} // holds one value while somebody is inside
	waiting int           // the one inside included
}

func newGate() *gate { return &gate{families: make(map[string]*queue)} }

// enter waits for the family's turn. It returns 429 if too many wait already, and 503
// when the request ends first.
func (g *gate) enter(ctx context.Context, family string) (leave func(), err error) {
	q := g.join(family)
	if q == nil {
		return nil, oauth.TooMany(time.Second, "too many requests for one family")
	}
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; g.quit(family, q) }, nil
	case <-ctx.Done():
		g.quit(family, q)
		return nil, oauth.Busy
	}
}

func (g *gate) join(family string) *queue {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.families[family]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1)}
		g.families[family] = q
	}
	if q.waiting > maxRacers {
		return nil
	}
	q.waiting++
	return q
}

func (g *gate) quit(family string, q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.waiting--; q.waiting == 0 {
		delete(g.families, family)
	}
}
