package tokens

import (
	"context"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// Members in one fixed order: the token of a generation is made again from the row, byte
// for byte, and RS256 is deterministic.
type refreshClaims struct {
	Issuer     string `json:"iss"`
	Audience   string `json:"aud"` // the issuer itself
	Subject    string `json:"sub"`
	ClientID   string `json:"client_id"`
	Type       string `json:"type"`
	ID         string `json:"jti"`
	IssuedAt   int64  `json:"iat"`
	Expiry     int64  `json:"exp"`
	FamilyID   string `json:"fid"`
	Generation int64  `json:"gen"`
	KID        string `json:"-"` // of the header
}

// MintRefresh signs the leaf of the family: the same bytes each time while the leaf's key
// can sign, which it can for the whole grace window after the ring rotated.
func (s *Service) MintRefresh(ctx context.Context, f *oauth.Family) (string, error) {
	payload, err := marshal(refreshClaims{
		Issuer: s.cfg.Issuer, Audience: s.cfg.Issuer, Subject: f.Subject, ClientID: f.ClientID, Type: "refresh",
		ID: f.LeafJTI, IssuedAt: f.LeafIAT.Unix(), Expiry: f.LeafExp.Unix(), FamilyID: f.ID, Generation: f.Generation,
	})
	if err != nil {
		return "", err
	}
	return s.keys.Sign(ctx, oauth.RefreshRing, f.LeafKID, oauth.TypeRefreshToken, payload)
}

// parseRefresh does not check exp: an expired consumed token is still evidence of theft.
func (s *Service) parseRefresh(ctx context.Context, raw string) (refreshClaims, error) {
	var c refreshClaims
	kid, err := s.parse(ctx, oauth.RefreshRing, oauth.TypeRefreshToken, raw, &c)
	c.KID = kid
	if err == nil && (c.Issuer != s.cfg.Issuer || c.Audience != s.cfg.Issuer || c.Type != "refresh") {
		return c, errNotOurs
	}
	return c, err
}

// SignIn is what a family begins with.
type SignIn struct {
	FamilyID string
	oauth.Authentication
	Client   *oauth.Client
	Scopes   oauth.Scopes
	Resource string
	// TTL of a family that is only the session of one access token, for a client without
	// the refresh_token grant; 0: a family that can be refreshed.
	TTL time.Duration
	// SessionID is that of the browser's session; "" for none.
	SessionID string
}

// StartFamily commits the family of a sign-in, and also returns the database's time. It
// returns a refusal with [oauth.InvalidGrant] if the subject or the client was ended or
// disabled meanwhile.
func (s *Service) StartFamily(ctx context.Context, in SignIn) (f oauth.Family, now time.Time, err error) {
	n, err := s.newFamily(in)
	if err != nil {
		return f, now, err
	}
	f, now, err = s.db.InsertFamily(ctx, n)
	if isNotFound(err) {
		return f, now, dead("subject or client ended during the sign-in")
	}
	return f, now, err
}

func (s *Service) newFamily(in SignIn) (db.NewFamily, error) {
	kid, err := s.keys.Signing(oauth.RefreshRing)
	if err != nil {
		return db.NewFamily{}, err
	}
	jti, err := oauth.NewJTI(s.cfg.Random)
	if err != nil {
		return db.NewFamily{}, err
	}
	leaf, family := in.TTL, in.TTL
	if in.TTL == 0 {
		leaf, family = s.idle(in.Client), s.cfg.FamilyTTL
	}
	return db.NewFamily{
		ID: in.FamilyID, ClientID: in.Client.ID, Subject: in.Subject, Scopes: in.Scopes, Resource: in.Resource,
		AuthTime: in.Time, AMR: in.AMR, ACR: in.ACR, LeafJTI: jti, LeafKID: kid,
		LeafTTL: min(leaf, family), FamilyTTL: family,
		UserEpoch: in.Epoch, ClientEpoch: in.Client.Epoch, Device: in.Device, Account: in.Account,
		SessionID: in.SessionID,
	}, nil
}

// idle is how long a refresh token of the client may lie unused.
func (s *Service) idle(c *oauth.Client) time.Duration {
	if c.RefreshTTL != 0 {
		return min(c.RefreshTTL, s.cfg.FamilyTTL)
	}
	return s.cfg.RefreshTTL
}

// dead is the one answer for every reason for which a grant is over.
func dead(rule string) error {
	return oauth.Errorf(oauth.InvalidGrant, "the refresh token is not valid any more").Because(rule)
}
