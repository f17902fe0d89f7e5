package tokens

import (
	"context"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// logoutLife is how long a logout token is good, as OIDC Back-Channel Logout §4 recommends:
// it is signed when it is sent.
const logoutLife = 2 * time.Minute

// logoutEvent is the member of events that makes a JWT a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout is what a logout token says: of the session in which Client got ID tokens with the
// sid FamilyID.
type Logout struct {
	ClientID, Subject, FamilyID string
	IssuedAt                    time.Time
}

// logoutClaims never have a nonce, so that no client takes the token for an ID token.
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience string              `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expiry   int64               `json:"exp"`
	JTI      string              `json:"jti"`
	Events   map[string]struct{} `json:"events"`
	FamilyID string              `json:"sid"`
}

// MintLogout signs a logout token (OIDC Back-Channel Logout §2.4). Nothing is stored. Its typ
// keeps it from passing for any other token of the ring (RFC 8725 §3.11).
func (s *Service) MintLogout(ctx context.Context, l Logout) (string, error) {
	jti, err := oauth.NewJTI(s.cfg.Random)
	if err != nil {
		return "", err
	}
	payload, err := marshal(logoutClaims{
		Issuer: s.cfg.Issuer, Subject: l.Subject, Audience: l.ClientID,
		IssuedAt: l.IssuedAt.Unix(), Expiry: l.IssuedAt.Add(logoutLife).Unix(), JTI: jti,
		Events: map[string]struct{}{logoutEvent: {}}, FamilyID: l.FamilyID,
	})
	if err != nil {
		return "", err
	}
	return s.keys.Sign(ctx, oauth.AccessRing, "", oauth.TypeLogoutToken, payload)
}
