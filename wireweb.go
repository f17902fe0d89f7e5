package authd

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
	if c.Accounts && c.Authenticator == nil {
		cfg.Users = g
	}
	w, err := web.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("authd: Config: %w", err)
	}
	return w, nil
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
		DB: d, Fetch: outbound.New(c.outbound), Now: c.Now, Audiences: audiences,
	})
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
