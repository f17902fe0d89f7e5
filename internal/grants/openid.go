package grants

import (
	"context"
	"errors"
	"slices"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// isOpenID reports whether an access token with these scopes comes with an ID token: it has
// openid, and the person signed in in a browser. The account calls and the host know already
// whom they talk about.
func isOpenID(f *oauth.Family, scopes oauth.Scopes) bool {
	return f.SessionID != "" && scopes.Has(oauth.ScopeOpenID)
}

// refreshes reports whether a grant leads to refresh tokens: where the client is registered for
// them, but in a browser with openid only for offline_access, which the person has allowed
// (OIDC Core §11).
func refreshes(c *oauth.Client, scopes oauth.Scopes, browser bool) bool {
	if !c.HasGrant(oauth.RefreshToken) {
		return false
	}
	return !browser || !scopes.Has(oauth.ScopeOpenID) || scopes.Has(oauth.ScopeOffline)
}

// withoutIdleOffline leaves offline_access out where it would lead to nothing (OIDC Core §11):
// nobody is to be asked about it, and no answer is to name it. Without openid it is a scope
// like any other.
func (f *flow) withoutIdleOffline(scopes oauth.Scopes) oauth.Scopes {
	if !scopes.Has(oauth.ScopeOpenID) || f.client.HasGrant(oauth.RefreshToken) {
		return scopes
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == oauth.ScopeOffline })
}

// isOffline: the client wants to act for the person when they are gone, which OIDC Core §11
// wants them to allow, whoever the client is.
func (f *flow) isOffline() bool {
	return f.scopes.Has(oauth.ScopeOpenID) && f.scopes.Has(oauth.ScopeOffline)
}

// readSubjectHint finds out whom the client wants to be signed in (OIDC Core §3.1.2.1).
func (s *Service) readSubjectHint(ctx context.Context, f *flow) error {
	if f.request.IDTokenHint == "" {
		return nil
	}
	hint, err := s.cfg.Tokens.Hint(ctx, f.request.IDTokenHint)
	if errors.Is(err, tokens.ErrNoHint) {
		return oauth.Errorf(oauth.InvalidRequest, "id_token_hint is not an ID token of this server")
	}
	f.request.SubjectHint = hint.Subject
	return err
}

// isSomebodyElse reports whether the client named another person than who is signed in.
func (f *flow) isSomebodyElse() bool {
	return f.request.SubjectHint != "" && f.session != nil && f.session.Subject != f.request.SubjectHint
}
