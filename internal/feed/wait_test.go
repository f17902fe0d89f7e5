package feed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/feed"
)

// log is a Source in memory: transaction n made entry n.
type log struct {
	mu      sync.Mutex
	entries []db.FeedEntry
	reads   atomic.Int64
	err     error
	hold    chan struct{} // a reading waits for it, if there is one
}

func (l *log) add(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	xid := uint64(len(l.entries) + 1)
	l.entries = append(l.entries, db.FeedEntry{Kind: "sub", ID: id, Exp: time.Now().Add(time.Hour), XID: xid})
}

func (l *log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *log) Feed(_ context.Context, since string, _ time.Duration, _ string) (db.FeedPage, error) {
	l.reads.Add(1)
	l.mu.Lock()
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		<-hold
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.entries) + 1
	var from int
	if since != "" {
		var xmax int
		if _, err := fmt.Sscanf(since, "%d:%d:", &from, &xmax); err != nil {
			return db.FeedPage{}, err
		}
		from = xmax - 1
	}
	return db.FeedPage{Origin: "o", Snapshot: fmt.Sprintf("%d:%d:", n, n), Now: time.Now(), Entries: l.entries[from:]}, l.err
}

func inBubble(t *testing.T, test func(t *testing.T, f *feed.Feed, l *log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		l.add("first")
		f := feed.New(feed.Config{Source: l, Issuer: issuer, Life: time.Hour})
		defer f.Close()
		test(t, f, l)
	})
}

// Ten thousand readers wait without a connection each, and one poller reads for all.
func TestTenThousandWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, f *feed.Feed, l *log) {
		const readers = 10_000
		cursor := since(t, f, "").Next
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() {
				page, err := f.Since(t.Context(), cursor, nil, 30*time.Second)
				if err != nil || len(page.Entries) != 1 || page.Entries[0].ID != "news" {
					t.Errorf("got %+v, %v", page, err)
				}
				answered.Add(1)
			})
		}
		synctest.Wait()
		reads := l.reads.Load()
		<-time.After(10 * time.Second)
		synctest.Wait()
		before := answered.Load()
		reads = l.reads.Load() - reads
		l.add("news")
		start := time.Now()
		wg.Wait()

		if took := time.Since(start); before != 0 || took > 500*time.Millisecond {
			t.Errorf("%d were answered without news; news took %s", before, took)
		}
		if reads > 21 {
			t.Errorf("%d readings in ten seconds, want one each half second, whoever waits", reads)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(f *feed.Feed, cancel func())
		want time.Duration
		err  error
	}{
		{"with its time: empty, and the same cursor", func(*feed.Feed, func()) {}, 30 * time.Second, nil},
		{"when the server shuts down", func(f *feed.Feed, _ func()) { f.EndWaits() }, time.Second, nil},
		{"when the reader goes away", func(_ *feed.Feed, cancel func()) { cancel() }, time.Second, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, f *feed.Feed, _ *log) {
				cursor := since(t, f, "").Next
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				go func() {
					<-time.After(time.Second)
					tt.end(f, cancel)
				}()

				page, err := f.Since(ctx, cursor, nil, 30*time.Second)

				if got := time.Since(start); got != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("ended after %s with %v, want %s with %v", got, err, tt.want, tt.err)
				}
				if diff := cmp.Diff(feed.Page{Next: cursor}, page); err == nil && diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// What was answered with success is in the next page: a reading that began before does
// not count.
func TestAReadingBeginsAfterTheQuestion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, f *feed.Feed, l *log) {
		cursor := since(t, f, "").Next
		l.hold = make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { since(t, f, cursor) })
		synctest.Wait() // it reads
		pages := make([]feed.Page, 100)
		for i := range pages {
			wg.Go(func() { pages[i] = since(t, f, cursor) })
		}
		synctest.Wait()
		before := l.reads.Load()
		l.add("news")
		close(l.hold)
		wg.Wait()

		for _, p := range pages {
			if len(p.Entries) != 1 {
				t.Fatalf("got %+v, want the news", p)
			}
		}
		if got := l.reads.Load() - before; got != 1 {
			t.Errorf("%d readings for all who came meanwhile, want 1", got)
		}
	})
}

// An outage is told to those who ask, and outlived by those who wait.
func TestOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, f *feed.Feed, l *log) {
		cursor := since(t, f, "").Next
		down := errors.New("down")
		got := make(chan feed.Page, 1)
		go func() {
			page, err := f.Since(t.Context(), cursor, nil, 30*time.Second)
			if err != nil {
				t.Error(err)
			}
			got <- page
		}()
		synctest.Wait()
		l.fail(down)
		<-time.After(5 * time.Second)
		if _, err := f.Since(t.Context(), cursor, nil, 0); !errors.Is(err, down) {
			t.Errorf("asked during the outage: %v", err)
		}
		l.fail(nil)
		l.add("news")
		if page := <-got; len(page.Entries) != 1 {
			t.Errorf("waited through the outage: %+v", page)
		}
	})
}

func TestClosedFeedHasNoGoroutine(t *testing.T) {
	ignored := goleak.IgnoreCurrent()
	l := &log{}
	l.add("first")
	f := feed.New(feed.Config{Source: l, Issuer: issuer, Life: time.Hour})
	cursor := since(t, f, "").Next
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = f.Since(t.Context(), cursor, nil, 30*time.Second)
	}()
	for l.reads.Load() < 3 { // it polls
		<-time.After(time.Millisecond)
	}
	f.Close()
	<-ended
	goleak.VerifyNone(t, ignored)
	if _, err := f.Since(t.Context(), cursor, nil, time.Second); err == nil {
		t.Error("a closed feed answers")
	}
}
