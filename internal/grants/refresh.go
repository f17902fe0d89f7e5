package grants

import (
	"context"
	"time"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// refresh is RFC 6749 §6, with rotation (RFC 9700 §4.14.2). The rotation is committed
// before anything is signed: a signature that fails costs nothing, since the retry finds
// the grace window.
func (s *Service) refresh(ctx context.Context, caller tokens.Caller, raw string, from oauth.Device, ask ask) (Response, error) {
	if raw == "" {
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "refresh_token is missing")
	}
	var ok allowed
	out, err := s.cfg.Tokens.Rotate(ctx, caller, raw, from, func(c *oauth.Client, f *oauth.Family) (err error) {
		if !c.HasGrant(oauth.RefreshToken) {
			return oauth.Errorf(oauth.UnauthorizedClient, "client is not registered for refresh_token")
		}
		ok, err = s.gate(c, ask, f.Scopes, f.Resource)
		return err
	})
	if err != nil {
		return Response{}, err
	}
	f := &out.Family
	return s.issue(ctx, tokens.Access{
		Grant:    familyGrant(f, oauth.RefreshToken, ok),
		IssuedAt: out.Now.Truncate(time.Second),
		TTL:      untilEnd(ok.ttl, out.Now, f),
	}, beside{leaf: f, idToken: isOpenID(f, ok.scopes)})
}

func familyGrant(f *oauth.Family, t oauth.GrantType, ok allowed) oauth.Grant {
	return oauth.Grant{
		Type: t, ClientID: f.ClientID, Subject: f.Subject, Scopes: ok.scopes, Audience: ok.audience,
		FamilyID: f.ID, AuthTime: f.AuthTime, AMR: f.AMR, ACR: f.ACR,
	}
}

// untilEnd shortens ttl to the family's absolute end: no token outlives its family.
func untilEnd(ttl time.Duration, now time.Time, f *oauth.Family) time.Duration {
	return min(ttl, f.AbsoluteExp.Sub(now.Truncate(time.Second)))
}
