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
	delete  func(ctx context.Context, limit int) (int64, error)
	deleted atomic.Int64
}

func newUpkeep(d *db.DB, log *slog.Logger) *upkeep {
	return &upkeep{log: log, tasks: []*deletion{
		{what: "token_families", delete: d.DeleteExpiredFamilies},
		{what: "revoked_tokens", delete: d.DeleteExpiredRevocations},
		{what: "login_attempts", delete: d.DeleteStaleAttempts},
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
		for {
			n, err := t.delete(ctx, upkeepBatch)
			t.deleted.Add(n)
			if err != nil && ctx.Err() == nil {
				u.log.WarnContext(ctx, "upkeep", "table", t.what, "err", err)
			}
			if err != nil || n < upkeepBatch {
				break
			}
		}
	}
}
