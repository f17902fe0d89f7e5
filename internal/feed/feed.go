// Package feed tells resource servers which tokens were ended, so that they need not ask
// for each.
//
// One reading of the database serves everybody who asked before it began, and while
// anybody waits, one is made every half second: ten thousand waiting readers cost as much
// as one. What the readings found is kept in memory until its tokens are over.
package feed

import (
	"context"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/db"
)

const (
	// pollInterval is how long news may take while somebody waits.
	pollInterval = 500 * time.Millisecond
	// readTimeout bounds one reading.
	readTimeout = 5 * time.Second
	// keepIdle is how long the entries are kept after the last question.
	keepIdle = 5 * time.Minute
)

// Source reads what has been ended since a snapshot.
type Source interface {
	Feed(ctx context.Context, since string, life time.Duration, issuer string) (db.FeedPage, error)
}

// Config configures [New]. All fields but Now are required.
type Config struct {
	Source Source
	Issuer string
	// Life is how long an access token lives at most, with what clocks may be off.
	Life time.Duration
	// Now is the clock by which entries end. Default [time.Now].
	Now func() time.Time
}

// Feed is safe for concurrent use. It has a goroutine only while somebody asks or waits.
type Feed struct {
	cfg Config

	mu      sync.Mutex
	wake    chan struct{} // closed to answer everybody who waits
	state   *state        // nil before the first reading
	current *reading      // under way; nil for none
	queued  *reading      // begins when the current one has ended
	waiting int
	polling bool
	done    sync.WaitGroup // of readings and the poller
	ended   bool
}

// New does nothing yet.
func New(cfg Config) *Feed {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Feed{cfg: cfg, wake: make(chan struct{})}
}

// EndWaits answers everybody who waits now, as if their time were over.
func (f *Feed) EndWaits() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.wake)
	f.wake = make(chan struct{})
}

// Close ends waits for good, and returns when the last reading has ended. Nothing may be
// asked afterwards.
func (f *Feed) Close() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.EndWaits()
	f.done.Wait()
}

// Page answers one reader.
type Page struct {
	Entries []db.FeedEntry
	Next    string
	// Reset: the cursor was none of this database, so that Entries are all there are.
	Reset bool
}

// Since returns what concerns a reader with these audiences and was ended after the cursor
// was given out; everything for "". Where that is nothing, it waits for news as long as wait,
// and then returns an empty page with the same cursor.
func (f *Feed) Since(ctx context.Context, cursor string, audiences []string, wait time.Duration) (Page, error) {
	s, err := f.read(ctx) // one that begins now: what was answered with success is in it
	if err != nil {
		return Page{}, err
	}
	r := newReader(cursor, audiences)
	page := s.since(r, false, f.cfg.Now())
	if wait <= 0 || !r.isUpToDate(page) {
		return page, nil
	}
	return f.await(ctx, s.link, r, wait)
}

// isUpToDate: the page says nothing that the reader does not know.
func (r *reader) isUpToDate(p Page) bool { return len(p.Entries) == 0 && !p.Reset && r.cursor != "" }

func (f *Feed) await(ctx context.Context, next *link, r *reader, wait time.Duration) (Page, error) {
	wake := f.startWaiting()
	defer f.stopWaiting()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		select {
		case <-next.made:
		case <-timeout.C:
			return Page{Next: r.cursor}, nil
		case <-wake:
			return Page{Next: r.cursor}, nil
		case <-ctx.Done():
			return Page{}, ctx.Err()
		}
		s := next.next
		if page := s.since(r, true, f.cfg.Now()); !r.isUpToDate(page) {
			return page, nil
		}
		next = s.link
	}
}

func (f *Feed) startWaiting() (wake chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting++
	if !f.polling && !f.ended {
		f.polling = true
		f.done.Go(f.poll)
	}
	return f.wake
}

func (f *Feed) stopWaiting() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting--
}

// poll reads while somebody waits. A failed reading is tried again: nobody who waits is
// told, and whoever asks next is.
func (f *Feed) poll() {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		wake, more := f.goesOn()
		if !more {
			return
		}
		select {
		case <-tick.C:
			_, _ = f.read(context.Background())
		case <-wake:
		}
	}
}

func (f *Feed) goesOn() (wake chan struct{}, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polling = f.waiting > 0 && !f.ended
	return f.wake, f.polling
}

// reading is one question to the database, for everybody who came before it began.
type reading struct {
	done  chan struct{}
	state *state
	err   error
}

// read returns what the database said after the call.
func (f *Feed) read(ctx context.Context) (*state, error) {
	r := f.join()
	select {
	case <-r.done:
		return r.state, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *Feed) join() *reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
		r := &reading{done: make(chan struct{}), err: context.Canceled}
		close(r.done)
		return r
	case f.current == nil:
		f.current = &reading{done: make(chan struct{})}
		f.done.Go(f.ask)
		return f.current
	case f.queued == nil:
		f.queued = &reading{done: make(chan struct{})}
	}
	return f.queued
}

// ask makes the current reading, and those that were queued meanwhile.
func (f *Feed) ask() {
	for {
		f.mu.Lock()
		r, before := f.current, f.state
		f.mu.Unlock()
		r.state, r.err = f.query(before)
		f.mu.Lock()
		if r.err == nil {
			f.state = r.state
		}
		f.current, f.queued = f.queued, nil
		more := f.current != nil
		f.mu.Unlock()
		if r.err == nil && before != nil && before.link != r.state.link {
			before.link.next = r.state
			close(before.link.made)
		}
		close(r.done)
		if !more {
			return
		}
	}
}

func (f *Feed) query(before *state) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	now := f.cfg.Now()
	if before != nil && now.Sub(before.readAt) > keepIdle {
		before = nil // what has come since is much; all there is may be less
	}
	since := ""
	if before != nil {
		since = before.snapshot.text
	}
	page, err := f.cfg.Source.Feed(ctx, since, f.cfg.Life, f.cfg.Issuer)
	if err == nil && before != nil && page.Origin != before.origin { // the database is another now
		before = nil
		page, err = f.cfg.Source.Feed(ctx, "", f.cfg.Life, f.cfg.Issuer)
	}
	if err != nil {
		return nil, err
	}
	return newState(before, page, now)
}
