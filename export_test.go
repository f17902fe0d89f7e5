package authd

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"

	"github.com/go-authd/authd/internal/outbound"
)

// TrustOutbound lets documents be fetched from any address, from servers that roots verify.
func (c *Config) TrustOutbound(roots *x509.CertPool) {
	c.outbound = outbound.Config{RootCAs: roots, Allow: func(netip.AddrPort) error { return nil }}
}

// LimitHooks replaces the clock that ends calls to a KMS or HSM.
func (c *Config) LimitHooks(withTimeout func(context.Context, time.Duration) (context.Context, context.CancelFunc)) {
	c.withTimeout = withTimeout
}

// Clean runs one round of upkeep, which otherwise waits for its minute.
func (s *Server) Clean(ctx context.Context) { s.upkeep.clean(ctx) }
