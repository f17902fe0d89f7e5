package authd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/go-authd/authd/internal/backchannel"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/outbound"
	"github.com/go-authd/authd/internal/tokens"
	"github.com/go-authd/authd/internal/web"
)

func newWeb(c *Config, s *Server, t *tokens.Service, g *grants.Service) (*web.Server, error) {
	cfg := web.Config{
		Issuer: c.Issuer, Clients: newAuthenticator(c, s.db), Grants: g, Tokens: t, Keys: s.rings,
		Feed: s.feed, ResourceServers: t,
		OriginAllowed: s.db.PublicOrigin, Unavailable: unavailable, Checks: s.checks(c),
		Logger: c.Logger, Now: c.Now, Random: c.Random, OnRequest: c.onRequest(),
	}
	if c.Accounts {
		cfg.SignIn, cfg.Families = g, t
	}
	if c.SignInPages {
		c.turnPagesOn(&cfg, g)
		cfg.UserInfo, cfg.HostClaims = t, c.UserInfo != nil
	}
	if c.Device != nil {
		cfg.Device = func(r *http.Request) oauth.Device { return c.Device(r).internal() }
	}
	cfg.Address = c.address()
	if c.Accounts && c.Authenticator == nil {
		cfg.Users = g
	}
	w, err := web.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("authd: Config: %w", err)
	}
	return w, nil
}

// address is whom a request counts for. Without a word from the host it is the connection's:
// but never one that is not on the open Internet, for a proxy stands there, and behind it
// everybody; one bucket for all would let anybody lock everybody out.
func (c *Config) address() func(*http.Request) netip.Addr {
	switch {
	case c.ClientAddress != nil:
		return c.ClientAddress
	case c.Device != nil:
		return func(r *http.Request) netip.Addr { return c.Device(r).Address }
	}
	return func(r *http.Request) netip.Addr {
		if a := PeerDevice(r).Address; outbound.IsPublic(a) {
			return a
		}
		return netip.Addr{}
	}
}

func (c *Config) turnPagesOn(cfg *web.Config, g *grants.Service) {
	cfg.Browsing, cfg.Own, cfg.Templates = g, g, c.Templates
	if c.ownPasswords() {
		cfg.Passwords = g
	}
	if c.Registration {
		cfg.Registering = g
	}
	if c.SignIn != nil {
		cfg.Vouching = g
		cfg.HostSignIn = func(w http.ResponseWriter, r *http.Request, s web.SignInRequest) { c.SignIn(w, r, SignInRequest(s)) }
	}
}

func newAuthenticator(c *Config, d *db.DB) *clients.Authenticator {
	// OIDC Core §9 has clients name the token endpoint; RFC 7523 leaves it open.
	audiences := []string{c.Issuer, c.Issuer + "/oauth2/token"}
	if c.SignInPages { // RFC 9126 §2
		audiences = append(audiences, c.Issuer+"/oauth2/par")
	}
	return clients.NewAuthenticator(clients.AuthenticatorConfig{
		DB: d, Fetch: c.outboundClient(), Now: c.Now, Audiences: audiences,
	})
}

// outboundClient may post by http to this machine where the issuer is on it: there a developer
// tries something out.
func (c *Config) outboundClient() *outbound.Client {
	cfg := c.outbound
	issuer, err := url.Parse(c.Issuer)
	cfg.Loopback = err == nil && oauth.IsLoopback(issuer.Hostname())
	return outbound.New(cfg)
}

// newCourier is nil without the pages, where there are no sessions.
func newCourier(c *Config, d *db.DB, t *tokens.Service, emit func(context.Context, Event)) *backchannel.Courier {
	if !c.SignInPages {
		return nil
	}
	return backchannel.New(backchannel.Config{
		DB: d, Mint: t.MintLogout, Post: c.outboundClient().Post, Logger: c.Logger,
		OnEvent: func(ctx context.Context, e backchannel.Event) { emit(ctx, publicLogoutEvent(e)) },
	}, c.sessionEnded)
}

// unavailable are the faults that are answered with 503: storage, and rings that could
// not be read for too long.
func unavailable(err error) bool {
	return errors.Is(err, db.ErrUnavailable) || errors.Is(err, keys.ErrNotReady)
}

// checks make /readyz fail.
func (s *Server) checks(c *Config) []web.Check {
	return []web.Check{
		{Name: "keys", Run: func(context.Context) error { return s.rings.Ready() }},
		{Name: "clock", Run: func(context.Context) error { return s.rings.CheckClock() }},
		{Name: "database", Run: func(ctx context.Context) error { return checkSchema(ctx, c.DB) }},
	}
}

func (c *Config) onRequest() func(context.Context, web.RequestInfo) {
	if c.OnRequest == nil {
		return nil
	}
	return func(ctx context.Context, r web.RequestInfo) { c.OnRequest(ctx, RequestInfo(r)) }
}
