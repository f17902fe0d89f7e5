package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// errNotOurs: the string is no token of this server, or none of the kind asked for.
var errNotOurs = errors.New("not a token of this server")

// Access is what an access token says (RFC 9068 §2.2).
type Access struct {
	oauth.Grant
	IssuedAt time.Time // whole seconds, by the database's clock
	TTL      time.Duration
	// Extra members come from the host's claims hook.
	Extra map[string]any
}

type accessClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	Expiry    int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	ID        string   `json:"jti"`
	ClientID  string   `json:"client_id"`
	Scope     string   `json:"scope"`
	FamilyID  string   `json:"sid,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	Type      string   `json:"type"`  // what Flask-JWT-Extended reads
	Fresh     bool     `json:"fresh"` // likewise
}

// reserved members are ours, or have a meaning to verifiers that a hook must not forge.
var reserved = map[string]bool{
	"iss": true, "sub": true, "aud": true, "exp": true, "iat": true, "nbf": true, "jti": true,
	"client_id": true, "scope": true, "sid": true, "auth_time": true, "amr": true, "acr": true,
	"type": true, "fresh": true, "fid": true, "gen": true, "cnf": true, "act": true, "may_act": true,
	"nonce": true, "azp": true, "at_hash": true, "c_hash": true, "events": true, "csrf": true,
}

// maxToken is what verifiers, ours among them, accept at most.
const maxToken = 8 << 10

// MintAccess signs an access token. Nothing is stored.
func (s *Service) MintAccess(ctx context.Context, a Access) (string, error) {
	jti, err := oauth.NewJTI(s.cfg.Random)
	if err != nil {
		return "", err
	}
	claims := accessClaims{
		Issuer: s.cfg.Issuer, Subject: a.Subject, Audience: a.Audience,
		Expiry: a.IssuedAt.Add(a.TTL).Unix(), IssuedAt: a.IssuedAt.Unix(), NotBefore: a.IssuedAt.Unix(),
		ID: jti, ClientID: a.ClientID, Scope: a.Scopes.String(), FamilyID: a.FamilyID,
		AMR: a.AMR, ACR: a.ACR, Type: "access", Fresh: a.Fresh,
	}
	if !a.AuthTime.IsZero() {
		claims.AuthTime = a.AuthTime.Unix()
	}
	payload, err := encode(claims, a.Extra)
	if err != nil {
		return "", err
	}
	token, err := s.keys.Sign(ctx, oauth.AccessRing, "", oauth.TypeAccessToken, payload)
	if err == nil && len(token) > maxToken {
		return "", errors.New("claims hook: the token grew over 8 KiB, which verifiers refuse")
	}
	return token, err
}

// encode appends the extra members to those of claims.
func encode(claims any, extra map[string]any) ([]byte, error) {
	payload, err := marshal(claims)
	if err != nil || len(extra) == 0 {
		return payload, err
	}
	for name := range extra {
		if reserved[name] {
			return nil, fmt.Errorf("claims hook: %q is a registered claim and cannot be replaced", name)
		}
	}
	more, err := marshal(extra)
	if err != nil {
		return nil, fmt.Errorf("claims hook: %w", err)
	}
	return append(append(payload[:len(payload)-1], ','), more[1:]...), nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// verified is what is read of an access token of this server. Expiry is not checked: it
// is judged by the database's clock.
type verified struct {
	accessClaims
	KID string
}

func (s *Service) parseAccess(ctx context.Context, raw string) (verified, error) {
	var v verified
	kid, err := s.parse(ctx, oauth.AccessRing, oauth.TypeAccessToken, raw, &v.accessClaims)
	v.KID = kid
	if err == nil && (v.Issuer != s.cfg.Issuer || v.ID == "" || v.ClientID == "") {
		return v, errNotOurs
	}
	return v, err
}

// parse reads the claims of a token that a key of ring has signed. Since that is our own
// signature, the claims are what encode wrote. Errors are errNotOurs, or faults.
func (s *Service) parse(ctx context.Context, ring oauth.Ring, typ, raw string, claims any) (string, error) {
	c, err := s.keys.Verify(ctx, ring, typ, raw)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(c.Payload, claims); err != nil {
		return "", errNotOurs
	}
	return c.Kid, nil
}
