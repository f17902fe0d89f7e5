package tokens

import (
	"context"
	"fmt"

	"github.com/go-authd/authd/internal/oauth"
)

// UserInfo returns the claims about the subject that the scopes of the access token raw ask
// for (OIDC Core §5.3.2); sub is always among them. What it says of the token is what the
// database says in this moment, in one round trip. It returns a refusal with
// [oauth.InvalidToken] or, for a token without the scope openid, [oauth.InsufficientScope].
func (s *Service) UserInfo(ctx context.Context, raw string) (map[string]any, error) {
	t, err := s.parseBearer(ctx, raw)
	if err != nil {
		return nil, err
	}
	state, user, err := s.db.BearerUser(ctx, ref(t, false))
	if err != nil {
		return nil, err
	}
	if why := whyInactive(t, state); why != "" {
		return nil, invalidToken(why)
	}
	scopes, err := oauth.ParseScopes(t.Scope)
	if err != nil {
		return nil, err
	}
	if !scopes.Has(oauth.ScopeOpenID) {
		return nil, oauth.Errorf(oauth.InsufficientScope, "the access token lacks the scope openid")
	}
	claims := make(map[string]any)
	add(claims, userClaims(user), scopes)
	if err := s.hostClaims(ctx, claims, t.Subject, scopes); err != nil {
		return nil, err
	}
	claims["sub"] = t.Subject
	return claims, nil
}

// userClaims is what is known of a built-in user; nil for one of the host's. Nobody has
// verified the e-mail address.
func userClaims(u *oauth.User) map[string]any {
	if u == nil {
		return nil
	}
	claims := map[string]any{"preferred_username": u.Username}
	if u.Name != "" {
		claims["name"] = u.Name
	}
	if u.Email != "" {
		claims["email"], claims["email_verified"] = u.Email, false
	}
	return claims
}

// hostClaims asks the host, whose word counts more than the user store's.
func (s *Service) hostClaims(ctx context.Context, claims map[string]any, subject string, scopes oauth.Scopes) error {
	if s.cfg.UserInfo == nil {
		return nil
	}
	host, err := s.cfg.UserInfo(ctx, subject, scopes)
	if err != nil {
		return fmt.Errorf("user info hook: %w", err)
	}
	for name := range host {
		if reserved[name] {
			return fmt.Errorf("user info hook: %q is a registered claim and cannot be replaced", name)
		}
	}
	add(claims, host, scopes)
	return nil
}

// add leaves out the standard claims that none of scopes asks for.
func add(claims, more map[string]any, scopes oauth.Scopes) {
	for name, value := range more {
		if scope := oauth.ScopeOfClaim(name); scope == "" || scopes.Has(scope) {
			claims[name] = value
		}
	}
}
