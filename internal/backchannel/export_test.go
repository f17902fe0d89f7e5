package backchannel

import (
	"context"
	"time"
)

// RunBy is Run with sweeps when the test wants them.
func (c *Courier) RunBy(ctx context.Context, sweep <-chan time.Time) { c.run(ctx, sweep) }

// MaxClients bounds what is under way at once.
const MaxClients = maxClients

// After is the order in which clients get a place.
func After(last string, ids []string) []string { return after(last, ids) }

// Backoff is how long a notice waits after so many attempts.
func Backoff(attempts int) time.Duration { return backoff(attempts) }
