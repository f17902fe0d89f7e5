// Package grants decides who may have a token: the token endpoint's pipeline and the one
// issuance gate that every grant passes.
package grants

import (
	"context"
	"io"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// Config of a [Service]; the caller has validated it.
type Config struct {
	DB     *db.DB
	Keys   *keys.Rings
	Tokens *tokens.Service
	Issuer string
	// AccessTTL is the lifetime of an access token whose client says nothing.
	AccessTTL time.Duration
	// Claims adds members to access tokens; an error refuses the token. Nil: none.
	Claims func(context.Context, oauth.Grant) (map[string]any, error)
	// Authenticator checks sign-ins; Accounts is nil where the host has its own users.
	Authenticator Authenticator
	Accounts      Accounts
	// Codes turns authorization_code on at the token endpoint: there is an authorization
	// endpoint.
	Codes  bool
	Random io.Reader
	// OnIssue is told of each issued grant. It must not block.
	OnIssue func(context.Context, oauth.Grant)
	// OnConstantChallenge is told of each code of a client that has used its challenge more
	// than three times within the last hour. It must not block.
	OnConstantChallenge func(ctx context.Context, client string)
}

// Service issues tokens.
type Service struct{ cfg Config }

// New does no I/O.
func New(cfg Config) *Service {
	if cfg.OnIssue == nil {
		cfg.OnIssue = func(context.Context, oauth.Grant) {}
	}
	if cfg.OnConstantChallenge == nil {
		cfg.OnConstantChallenge = func(context.Context, string) {}
	}
	return &Service{cfg}
}

// Response is a successful answer of the token endpoint (RFC 6749 §5.1).
type Response struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"` // OIDC Core §3.1.3.3, §12.2
	Scope        string `json:"scope"`              // always named, also where it is what was asked for
}

// Token serves a token request (RFC 6749 §3.2). from is kept with a refresh; zero: nothing
// is.
func (s *Service) Token(ctx context.Context, caller tokens.Caller, form oauth.Form, from oauth.Device) (Response, error) {
	ask, err := parseAsk(form)
	if err != nil {
		return Response{}, err
	}
	switch grant := oauth.GrantType(form.Get("grant_type")); {
	case grant == oauth.ClientCredentials:
		return s.clientCredentials(ctx, caller, ask)
	case grant == oauth.RefreshToken:
		return s.refresh(ctx, caller, form.Get("refresh_token"), from, ask)
	case grant == oauth.AuthorizationCode && s.cfg.Codes:
		return s.authorizationCode(ctx, caller, form, ask)
	case grant == "":
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "grant_type is missing")
	default: // the client is not looked at: the answer is the same for all
		return Response{}, oauth.Errorf(oauth.UnsupportedGrantType, "grant_type is not supported")
	}
}

// clientCredentials is RFC 6749 §4.4. It stores nothing and never gives a refresh token.
func (s *Service) clientCredentials(ctx context.Context, caller tokens.Caller, ask ask) (Response, error) {
	if err := s.cfg.Keys.Admit(ctx); err != nil {
		return Response{}, err
	}
	client, now, err := s.client(ctx, caller)
	if err != nil {
		return Response{}, err
	}
	if !client.HasGrant(oauth.ClientCredentials) {
		return Response{}, oauth.Errorf(oauth.UnauthorizedClient, "client is not registered for client_credentials")
	}
	ok, err := s.gate(client, ask, client.Scopes, "")
	if err != nil {
		return Response{}, err
	}
	issuedAt, err := afterEnd(ctx, client, now)
	if err != nil {
		return Response{}, err
	}
	return s.issue(ctx, tokens.Access{
		Grant: oauth.Grant{
			Type: oauth.ClientCredentials, ClientID: client.ID, Subject: client.ID, Scopes: ok.scopes, Audience: ok.audience,
		},
		IssuedAt: issuedAt, TTL: ok.ttl,
	}, beside{})
}

// client reads the registration and authenticates the caller.
func (s *Service) client(ctx context.Context, caller tokens.Caller) (*oauth.Client, time.Time, error) {
	c, now, err := s.cfg.DB.Client(ctx, caller.ClientID())
	client := &c
	if isNotFound(err) {
		client, err = nil, nil
	}
	if err != nil {
		return nil, now, err
	}
	return client, now, caller.Check(client)
}

// afterEnd is the iat of a token without a family. Such tokens are judged by iat <
// ended_at, which is rounded up to the second: a client that was ended and asks again in
// that second waits for the next.
func afterEnd(ctx context.Context, c *oauth.Client, now time.Time) (time.Time, error) {
	if c.EndedAt == nil || !now.Before(*c.EndedAt) {
		return now.Truncate(time.Second), nil
	}
	return *c.EndedAt, await(ctx, now, *c.EndedAt)
}

// await waits for a second that lies ahead.
func await(ctx context.Context, now, second time.Time) error {
	if !now.Before(second) {
		return nil
	}
	timer := time.NewTimer(second.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return oauth.Busy
	}
}

// beside is what a response has beside the access token.
type beside struct {
	leaf    *oauth.Family // of which the refresh token is made; nil: none
	idToken bool
	nonce   string
}

// issue signs what the gate has let through. The claims hook runs first, so that its
// refusal costs no signature.
func (s *Service) issue(ctx context.Context, a tokens.Access, with beside) (Response, error) {
	var err error
	if s.cfg.Claims != nil {
		if a.Extra, err = s.cfg.Claims(ctx, a.Grant); err != nil {
			return Response{}, err
		}
	}
	r := Response{TokenType: "Bearer", ExpiresIn: int64(a.TTL / time.Second), Scope: a.Scopes.String()}
	if r.AccessToken, err = s.cfg.Tokens.MintAccess(ctx, a); err != nil {
		return Response{}, err
	}
	if with.idToken {
		id := tokens.Identity{Grant: a.Grant, Nonce: with.nonce, AccessToken: r.AccessToken, IssuedAt: a.IssuedAt, TTL: a.TTL}
		if r.IDToken, err = s.cfg.Tokens.MintID(ctx, id); err != nil {
			return Response{}, err
		}
	}
	if with.leaf != nil {
		if r.RefreshToken, err = s.cfg.Tokens.MintRefresh(ctx, with.leaf); err != nil {
			return Response{}, err
		}
	}
	s.cfg.OnIssue(ctx, a.Grant)
	return r, nil
}
