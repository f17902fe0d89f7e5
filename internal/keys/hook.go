package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/internal/db"
)

const (
	// hookTimeout bounds a call to a KMS or HSM, whether it obeys its context or not.
	hookTimeout = 5 * time.Second
	// makeTimeout is for the making of a key: small HSMs look for primes of 2048 bits for
	// half a minute.
	makeTimeout = time.Minute
	// maxCalls is how many calls, apart from signatures, may be under way. Those that hang
	// whatever their context says pile up to so many.
	maxCalls = 64
)

// hooks are a host's KMS and HSM, as far as calls to them are counted and bounded.
type hooks struct {
	limit func(context.Context, time.Duration) (context.Context, context.CancelFunc)
	max   int64 // calls at once; 0 where something else bounds them
	calls atomic.Int64
}

func newHooks(c *Config) *hooks { return &hooks{limit: c.WithTimeout, max: maxCalls} }

// hookCall is one call of a host's code, which may fail, hang, panic and lie.
type hookCall[T any] struct {
	doing   string
	timeout time.Duration // hookTimeout if it is 0
	run     func(context.Context) (T, error)
	late    func(T) // gets what is returned after the call was given up; may be nil
}

type outcome[T any] struct {
	v   T
	err error
}

// call makes c, and gives it up when its time or ctx is over: then its goroutine is left
// behind until c returns. Unless too many are under way, it always runs.
func call[T any](ctx context.Context, h *hooks, c hookCall[T]) (T, error) {
	var out outcome[T]
	if n := h.calls.Add(1); h.max > 0 && n > h.max {
		h.calls.Add(-1)
		return out.v, outage(c.doing, fmt.Errorf("%d earlier calls have not returned", h.max))
	}
	ctx, cancel := h.limit(ctx, cmp.Or(c.timeout, hookTimeout))
	defer cancel()
	done, givenUp := make(chan outcome[T]), make(chan struct{})
	go func() {
		defer h.calls.Add(-1)
		out := c.protected(ctx)
		select {
		case done <- out:
		case <-givenUp:
			if c.late != nil && out.err == nil {
				c.late(out.v)
			}
		}
	}()
	select {
	case out = <-done:
	case <-ctx.Done():
		close(givenUp)
		out.err = ctx.Err()
	}
	switch {
	case out.err == nil:
		return out.v, nil
	case ctx.Err() != nil: // which of the two came first is chance, and one fault has one text
		out.err = fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
	return out.v, outage(c.doing, out.err)
}

// protected makes a panic an error: it would end the process here, where no HTTP server
// catches it.
func (c hookCall[T]) protected(ctx context.Context) (out outcome[T]) {
	defer func() {
		if v := recover(); v != nil {
			out.err = fmt.Errorf("panic: %v", v)
		}
	}()
	out.v, out.err = c.run(ctx)
	return out
}

// hookError: the host's KMS or HSM could not be used. It may be tried again.
type hookError struct {
	doing string
	err   error
	// outage: it failed or hung. Otherwise it answered, and wrongly.
	outage bool
}

func outage(doing string, err error) error { return &hookError{doing, err, true} }
func lie(doing string, err error) error    { return &hookError{doing, err, false} }

func (e *hookError) Error() string { return e.doing + ": " + e.err.Error() }

func (e *hookError) Unwrap() []error {
	if e.outage {
		return []error{db.ErrUnavailable, e.err}
	}
	return []error{e.err}
}

func isHookError(err error) bool {
	_, ok := errors.AsType[*hookError](err)
	return ok
}
