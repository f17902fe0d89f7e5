package authd

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/internal/db"
)

const (
	// upkeepInterval is how often dead rows are looked for.
	upkeepInterval = time.Minute
	// upkeepBatch bounds the rows of one statement, so that none holds locks for long.
	upkeepBatch = 500
)

// upkeep deletes dead rows. Every replica does; rows that one is at work on the others skip.
type upkeep struct {
	log   *slog.Logger
	tasks []*deletion
}

type deletion struct {
	what    string
	delete  func(ctx context.Context, from time.Time, limit int) (db.Deleted, error)
	deleted atomic.Int64
}

func newUpkeep(d *db.DB, log *slog.Logger) *upkeep {
	return &upkeep{log: log, tasks: []*deletion{
		{what: "token_families", delete: d.DeleteExpiredFamilies},
		{what: "revoked_tokens", delete: d.DeleteExpiredRevocations},
		{what: "login_attempts", delete: d.DeleteStaleAttempts},
		{what: "authorization_requests", delete: d.DeleteExpiredRequests},
		{what: "authorization_codes", delete: d.DeleteExpiredCodes},
		{what: "sessions", delete: d.DeleteExpiredSessions},
		{what: "client_assertions", delete: d.DeleteExpiredAssertions},
	}}
}

func (u *upkeep) run(ctx context.Context) {
	tick := time.NewTicker(upkeepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			u.clean(ctx)
		}
	}
}

// clean deletes until nothing is left. A failure is logged and waits for the next round.
func (u *upkeep) clean(ctx context.Context) {
	for _, t := range u.tasks {
		if err := t.clean(ctx); err != nil && ctx.Err() == nil {
			u.log.WarnContext(ctx, "upkeep", "table", t.what, "err", err)
		}
	}
}

// clean goes through the dead rows once, batch by batch.
func (t *deletion) clean(ctx context.Context) error {
	var from time.Time
	for {
		began := time.Now()
		batch, err := t.delete(ctx, from, upkeepBatch)
		t.deleted.Add(batch.N)
		if err != nil || batch.N < upkeepBatch {
			return err
		}
		from = batch.Last
		if !rest(ctx, time.Since(began)) {
			return nil
		}
	}
}

// rest leaves the database to requests for as long as the batch took of it, so that a
// backlog gets half of one connection at most. It is false if ctx ends before.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
