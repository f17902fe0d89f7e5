package authd

import (
	"encoding/json"
	"time"

	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

func convert[From, To any](list []From, f func(From) To) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

func (c Client) internal() oauth.Client {
	return oauth.Client{
		ID: c.ID, Name: c.Name, AuthMethod: oauth.AuthMethod(c.AuthMethod),
		GrantTypes:   convert(c.GrantTypes, func(s string) oauth.GrantType { return oauth.GrantType(s) }),
		RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, AllowedOrigins: c.AllowedOrigins, Scopes: c.Scopes, Audiences: c.Audiences,
		AccessTTL: c.AccessTTL, RefreshTTL: c.RefreshTTL, FirstParty: c.FirstParty, ResourceServer: c.ResourceServer,
		PKCEOptional: c.PKCEOptional, RequirePushedRequests: c.RequirePushedRequests, JWKS: string(c.JWKS), JWKSURI: c.JWKSURI,
	}
}

func publicClient(c oauth.Client) Client {
	return Client{
		ID: c.ID, Name: c.Name, AuthMethod: string(c.AuthMethod),
		GrantTypes:   convert(c.GrantTypes, func(g oauth.GrantType) string { return string(g) }),
		RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, AllowedOrigins: c.AllowedOrigins, Scopes: c.Scopes, Audiences: c.Audiences,
		AccessTTL: c.AccessTTL, RefreshTTL: c.RefreshTTL, FirstParty: c.FirstParty, ResourceServer: c.ResourceServer,
		PKCEOptional: c.PKCEOptional, RequirePushedRequests: c.RequirePushedRequests, JWKS: rawJSON(c.JWKS), JWKSURI: c.JWKSURI,
		CreatedAt: c.CreatedAt, DisabledAt: c.DisabledAt,
		Secrets: convert(c.Secrets, func(s oauth.ClientSecret) ClientSecret { return ClientSecret{s.ID, s.CreatedAt} }),
	}
}

// rawJSON is nil for "".
func rawJSON(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func (d Device) internal() oauth.Device { return oauth.NewDevice(d.Address, d.UserAgent) }

func publicFamily(f oauth.ListedFamily) Family {
	out := Family{
		ID: f.ID, Subject: f.Subject, ClientID: f.ClientID, Scopes: f.Scopes, Generation: f.Generation,
		CreatedAt: f.CreatedAt, RotatedAt: f.RotatedAt, ExpiresAt: f.LeafExp, RevokedAt: f.RevokedAt,
		First: Device(f.First), Last: Device(f.Last),
	}
	if f.RevokedReason != nil {
		out.RevokedReason = *f.RevokedReason
	}
	return out
}

func publicKey(k oauth.Key, now time.Time) Key {
	return Key{
		ID: k.KID, Ring: string(k.Ring), Seq: k.Seq, Alg: k.Alg, State: string(k.State(now)),
		AnnouncedAt: k.AnnouncedAt, RotateAfter: k.RotateAfter,
		SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil, PublishedUntil: k.PublishedUntil, RevokedAt: k.RevokedAt,
	}
}

func publicGrant(g oauth.Grant) Grant {
	t := string(g.Type)
	if t == "" {
		t = "sign_in"
	}
	return Grant{
		Type: t, ClientID: g.ClientID, Subject: g.Subject, Scopes: g.Scopes, Audience: g.Audience,
		FamilyID: g.FamilyID, AuthTime: g.AuthTime, AMR: g.AMR, ACR: g.ACR, Fresh: g.Fresh,
	}
}

func publicEvent(e tokens.Event) Event {
	switch e := e.(type) {
	case tokens.FamilyRevoked:
		return FamilyRevoked(e)
	case tokens.ReuseDetected:
		return ReuseDetected(e)
	case tokens.TokenRevoked:
		return TokenRevoked(e)
	case tokens.ForeignToken:
		return ForeignTokenRefused(e)
	case tokens.GraceReplay:
		return GraceReplayed(e)
	}
	return nil
}

func publicKeyEvent(e keys.Event) Event {
	switch e := e.(type) {
	case keys.Announced:
		return KeyAnnounced{string(e.Ring), e.KID}
	case keys.Rotated:
		return KeyRotated{string(e.Ring), e.Rotation.Previous, e.Rotation.Signing, e.Rotation.Announced}
	case keys.Revoked:
		return KeyRevoked{string(e.Revocation.Ring), e.Revocation.KID}
	case keys.Expired:
		return KeyExpired{string(e.Ring), e.KID}
	}
	return nil
}
