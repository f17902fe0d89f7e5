package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// Identity is what an ID token says (OIDC Core §2).
type Identity struct {
	oauth.Grant
	Nonce       string // of the authorization request; "" for none, and after a refresh
	AccessToken string // that it comes with
	IssuedAt    time.Time
	TTL         time.Duration
}

// idClaims has no azp: that is for more than one audience.
type idClaims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   string   `json:"aud"` // the client, never an API
	Expiry     int64    `json:"exp"`
	IssuedAt   int64    `json:"iat"`
	AuthTime   int64    `json:"auth_time"`
	Nonce      string   `json:"nonce,omitempty"`
	ACR        string   `json:"acr,omitempty"`
	AMR        []string `json:"amr,omitempty"`
	FamilyID   string   `json:"sid"`
	AccessHash string   `json:"at_hash"`
}

// MintID signs an ID token. Nothing is stored. Its typ keeps it from passing for an access
// token (RFC 9068 §5).
func (s *Service) MintID(ctx context.Context, i Identity) (string, error) {
	payload, err := marshal(idClaims{
		Issuer: s.cfg.Issuer, Subject: i.Subject, Audience: i.ClientID,
		Expiry: i.IssuedAt.Add(i.TTL).Unix(), IssuedAt: i.IssuedAt.Unix(), AuthTime: i.AuthTime.Unix(),
		Nonce: i.Nonce, ACR: i.ACR, AMR: i.AMR, FamilyID: i.FamilyID, AccessHash: accessHash(i.AccessToken),
	})
	if err != nil {
		return "", err
	}
	return s.keys.Sign(ctx, oauth.AccessRing, "", oauth.TypeIDToken, payload)
}

// accessHash is at_hash (OIDC Core §3.1.3.6): the left half of the SHA-256 of the token.
func accessHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// ErrNoHint: a string is no ID token of this server.
var ErrNoHint = errors.New("not an ID token of this server")

// Hint is what an ID token says when a client shows it again.
type Hint struct{ ClientID, Subject, FamilyID string }

// Hint reads an ID token, expired or not (OIDC RP-Initiated Logout §2). It is no credential:
// it only tells whose sign-in a request is about. It returns [ErrNoHint].
func (s *Service) Hint(ctx context.Context, raw string) (Hint, error) {
	c, err := s.keys.VerifyPast(ctx, oauth.AccessRing, oauth.TypeIDToken, raw)
	if errors.Is(err, keys.ErrInvalid) {
		return Hint{}, ErrNoHint
	}
	if err != nil {
		return Hint{}, err
	}
	var claims idClaims
	if err := json.Unmarshal(c.Payload, &claims); err != nil || claims.Issuer != s.cfg.Issuer || claims.FamilyID == "" {
		return Hint{}, ErrNoHint
	}
	return Hint{ClientID: claims.Audience, Subject: claims.Subject, FamilyID: claims.FamilyID}, nil
}
