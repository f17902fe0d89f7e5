// Package hooktest has a KMS and an HSM in memory that fail, hang and lie when a test says
// so, and time limits that are over when a test says so.
package hooktest

import (
	"context"
	"sync"
	"time"
)

// Limits stands for [context.WithTimeout] in a test that waits for no clock.
type Limits struct {
	mu   sync.Mutex
	next int
	open map[int]context.CancelCauseFunc
}

// WithTimeout returns a context that ends with parent, or with [Limits.Expire].
func (l *Limits) WithTimeout(parent context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[int]context.CancelCauseFunc)
	}
	l.next++
	id := l.next
	l.open[id] = cancel
	return ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, id)
		cancel(nil)
	}
}

// Expire ends the time of all that is under way.
func (l *Limits) Expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, cancel := range l.open {
		cancel(context.DeadlineExceeded)
		delete(l.open, id)
	}
}

// Hang makes calls wait, and their callers' time go by.
type Hang struct {
	// Entered gets one value of each call that hangs.
	Entered chan struct{}
	release chan struct{}
	once    sync.Once
}

// NewHang returns one that up to 1024 calls fit into.
func NewHang() *Hang { return &Hang{Entered: make(chan struct{}, 1024), release: make(chan struct{})} }

// Release lets all calls go on, those that come later too.
func (h *Hang) Release() { h.once.Do(func() { close(h.release) }) }

// Expire lets the time of calls be over as soon as they hang, until what it returns is called.
func (h *Hang) Expire(l *Limits) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-h.Entered:
				l.Expire()
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// Deaf is a fault: the call waits for Release, whatever its context says.
func (h *Hang) Deaf(context.Context, string, string) error {
	h.Entered <- struct{}{}
	<-h.release
	return nil
}

// Obedient is a fault: the call waits for its context or for Release.
func (h *Hang) Obedient(ctx context.Context, _, _ string) error {
	h.Entered <- struct{}{}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-h.release:
		return nil
	}
}
