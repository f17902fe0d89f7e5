package tokens

import (
	"context"
	"slices"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// Introspection is the answer of RFC 7662 §2.2. All but Active is empty where the token
// is not active.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expiry    int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	NotBefore int64  `json:"nbf,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ID        string `json:"jti,omitempty"`
	FamilyID  string `json:"sid,omitempty"`
}

// Introspect says what the database says of the token in this moment, in one round trip.
// It returns a refusal with [oauth.AccessDenied] to a client that is no resource server;
// a storage fault is an error, never an inactive token.
func (s *Service) Introspect(ctx context.Context, caller Caller, raw string) (Introspection, error) {
	token, err := s.parseAccess(ctx, raw)
	if err != nil && !isInvalid(err) {
		return Introspection{}, err
	}
	foreign := err != nil
	// For a string that is no token the question is the same, only for nothing: who asks
	// is checked either way.
	client, state, err := s.db.Introspection(ctx, caller.ClientID(), ref(token, foreign))
	if err != nil {
		return Introspection{}, err
	}
	if err := checkResourceServer(caller, client); err != nil {
		return Introspection{}, err
	}
	if foreign || !slices.Contains(client.Audiences, token.Audience) || !isActive(token, state) {
		return Introspection{}, nil
	}
	return Introspection{
		Active: true, Scope: token.Scope, ClientID: token.ClientID, TokenType: "Bearer",
		Expiry: token.Expiry, IssuedAt: token.IssuedAt, NotBefore: token.NotBefore,
		Subject: token.Subject, Audience: token.Audience, Issuer: token.Issuer, ID: token.ID, FamilyID: token.FamilyID,
	}, nil
}

// ResourceServer authenticates a caller as Introspect does, and returns its audiences.
func (s *Service) ResourceServer(ctx context.Context, caller Caller) ([]string, error) {
	client, err := s.client(ctx, caller.ClientID())
	if err != nil {
		return nil, err
	}
	if err := checkResourceServer(caller, client); err != nil {
		return nil, err
	}
	return client.Audiences, nil
}

func ref(t verified, none bool) db.TokenRef {
	if none {
		return db.TokenRef{}
	}
	return db.TokenRef{JTI: t.ID, KID: t.KID, ClientID: t.ClientID, Subject: t.Subject, FamilyID: t.FamilyID}
}

func checkResourceServer(caller Caller, client *oauth.Client) error {
	if err := caller.Check(client); err != nil {
		return err
	}
	if client.IsPublic() { // RFC 7662 §2.1: the endpoint requires authentication
		return oauth.Errorf(oauth.InvalidClient, "this endpoint needs client authentication").Because("public client")
	}
	if !client.ResourceServer {
		return oauth.Errorf(oauth.AccessDenied, "this client is not registered as a resource server")
	}
	return nil
}

func isActive(t verified, s db.TokenState) bool { return whyInactive(t, s) == "" }

// whyInactive is in words for the operator; "" for an active token.
func whyInactive(t verified, s db.TokenState) string {
	switch {
	case s.Now.Unix() >= t.Expiry:
		return "it has expired"
	case !s.ClientActive:
		return "its client is disabled or deleted"
	case !s.KeyValid:
		return "its key was revoked"
	case s.Revoked:
		return "it was revoked"
	case t.FamilyID == "" && s.ClientEnded != nil && t.IssuedAt < s.ClientEnded.Unix(): // judged by time: a client's own token
		return "all that its client was given was ended"
	case t.FamilyID == "":
		return ""
	}
	return whyFamilyDead(s)
}

// whyFamilyDead judges by epoch.
func whyFamilyDead(s db.TokenState) string {
	switch {
	case !s.FamilyAlive:
		return "its family is revoked, expired or gone"
	case s.SubjectDisabled != nil:
		return "its subject is disabled"
	case s.FamilyUserEpoch != s.SubjectEpoch:
		return "all grants of its subject were ended"
	case s.FamilyClientEpoch != s.ClientEpoch:
		return "all that its client was given was ended"
	}
	return ""
}
