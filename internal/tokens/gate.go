package tokens

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// maxRacers bounds the requests of this process that wait for one family or one code.
const maxRacers = 64

// gate lets the requests for one row, a family's or a code's, through one by one, so that
// those which wait hold no database connection. It is an economy only: the row lock is what makes them safe.
//
// Where the one inside gives up on the row, all that wait for its turn give up with it:
// otherwise each would wait for the lock timeout of everybody before.
type gate struct {
	mu     sync.Mutex
	queues map[string]*queue // by row
}

type queue struct {
	turn    chan struct{} // holds one value while somebody is inside
	locked  chan struct{} // closed when the one inside has given up on the row
	waiting int           // the one inside included
}

func newGate() *gate { return &gate{queues: make(map[string]*queue)} }

// enter waits for the row's turn. It returns 429 if too many wait already, 503 when the
// request ends first, and [db.ErrLocked] when that is what the one before was told. leave
// must be told how it went.
func (g *gate) enter(ctx context.Context, row string) (leave func(outcome error), err error) {
	q := g.join(row)
	if q == nil {
		return nil, oauth.TooMany(time.Second, "too many requests for one family or code")
	}
	select {
	case q.turn <- struct{}{}:
		return func(outcome error) { g.leave(row, q, outcome) }, nil
	case <-q.locked:
		err = db.ErrLocked
	case <-ctx.Done():
		err = oauth.Busy
	}
	g.quit(row, q)
	return nil, err
}

// leave passes the turn on, or sends all away that wait for it: who comes then finds a new
// queue.
func (g *gate) leave(row string, q *queue, outcome error) {
	g.quit(row, q)
	if !errors.Is(outcome, db.ErrLocked) {
		<-q.turn
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queues[row] == q {
		delete(g.queues, row)
	}
	close(q.locked)
}

func (g *gate) join(row string) *queue {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.queues[row]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1), locked: make(chan struct{})}
		g.queues[row] = q
	}
	if q.waiting > maxRacers {
		return nil
	}
	q.waiting++
	return q
}

func (g *gate) quit(row string, q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.waiting--; q.waiting == 0 && g.queues[row] == q {
		delete(g.queues, row)
	}
}
