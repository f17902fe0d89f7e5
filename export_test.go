package authd

import (
	"context"
	"time"
)

// LimitHooks replaces the clock that ends calls to a KMS or HSM.
func (c *Config) LimitHooks(withTimeout func(context.Context, time.Duration) (context.Context, context.CancelFunc)) {
	c.withTimeout = withTimeout
}

// Clean runs one round of upkeep, which otherwise waits for its minute.
func (s *Server) Clean(ctx context.Context) { s.upkeep.clean(ctx) }
