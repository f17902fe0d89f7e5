package hooktest

import (
	"context"
	"errors"
	"sync"
)

// Fault is asked before a call is answered: of the operation, on a key or data of this
// name. Its error is the answer.
type Fault func(ctx context.Context, op, name string) error

// ErrBroken is what [Broken] answers.
var ErrBroken = errors.New("the cable is cut")

// Broken fails each call of one of ops, of all without any.
func Broken(ops ...string) Fault {
	return func(_ context.Context, op, _ string) error {
		if len(ops) == 0 || contains(ops, op) {
			return ErrBroken
		}
		return nil
	}
}

// Only has f for calls of one operation.
func Only(op string, f Fault) Fault {
	return func(ctx context.Context, called, name string) error {
		if called != op {
			return nil
		}
		return f(ctx, called, name)
	}
}

// BrokenAt fails the n-th call from now, counted from 1, and no other.
func BrokenAt(n int) Fault {
	var mu sync.Mutex
	return func(context.Context, string, string) error {
		mu.Lock()
		defer mu.Unlock()
		if n--; n == 0 {
			return ErrBroken
		}
		return nil
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// faults is what a KMS and an HSM share.
type faults struct {
	mu    sync.Mutex
	fault Fault
	calls []string
}

// Fail sets the fault of all calls from now on; nil heals.
func (f *faults) Fail(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Calls lists the operations that were asked for.
func (f *faults) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *faults) begin(ctx context.Context, op, name string) error {
	f.mu.Lock()
	f.calls = append(f.calls, op)
	fault := f.fault
	f.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(ctx, op, name)
}
