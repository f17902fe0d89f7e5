package authd

import "context"

// Clean runs one round of upkeep, which otherwise waits for its minute.
func (s *Server) Clean(ctx context.Context) { s.upkeep.clean(ctx) }
