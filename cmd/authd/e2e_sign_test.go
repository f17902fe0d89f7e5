package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// sign is a client with private_key_jwt: its assertion is good once, on one replica or the
// other, and nobody gets to see it, nor a private key that was registered by mistake.
func (s *story) sign(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := keySecrets("the client's key", key)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = append(s.secrets, mine...)
	public, private := s.jwks(t, key.Public()), s.jwks(t, key)
	s.fail(t, "", "clients", "create", "signer", "--auth-method", "private_key_jwt", "--jwks", private)
	s.fail(t, "", "clients", "create", "signer", "--auth-method", "private_key_jwt", "--jwks", private, "--json")
	s.succeed(t, "", "clients", "create", "signer", "--auth-method", "private_key_jwt", "--jwks", public, "--scope", "read")
	s.succeed(t, "", "clients", "show", "signer", "--json")

	assertion := s.assertion(t, key, s.a)
	s.secrets = append(s.secrets, tokenSecret("an assertion", assertion))
	for _, step := range []struct {
		at        *replica
		assertion string
		status    int
	}{
		{s.a, tampered(assertion), http.StatusUnauthorized},
		{s.a, assertion, http.StatusOK},
		{s.a, assertion, http.StatusUnauthorized},
		{s.b, assertion, http.StatusUnauthorized},
		{s.b, assertion + assertion, http.StatusUnauthorized},
	} {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {step.assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		got := s.call(t, newRequest(t, http.MethodPost, step.at.at("/oauth2/token"), "application/x-www-form-urlencoded", form.Encode()))
		if got.status != step.status {
			t.Errorf("token request with an assertion: status %d, want %d", got.status, step.status)
		}
	}
	s.post(t, s.a.at("/oauth2/token"), s.app, "grant_type", assertion, "client_assertion", assertion)
	s.get(t, s.a.at("/oauth2/token?client_assertion="+assertion))
}

// jwks writes a JWK set into a file.
func (s *story) jwks(t *testing.T, key any) string {
	t.Helper()
	doc, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(name, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// assertion is for the issuer that r names in its metadata.
func (s *story) assertion(t *testing.T, key *rsa.PrivateKey, r *replica) string {
	t.Helper()
	_, body, err := request(http.MethodGet, r.at("/.well-known/oauth-authorization-server"), "", nil)
	var metadata struct{ Issuer string }
	if err != nil || json.Unmarshal([]byte(body), &metadata) != nil {
		t.Fatalf("metadata: %v\n%s", err, body)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: key}, new(jose.SignerOptions).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	raw, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "signer", Subject: "signer", Audience: jwt.Audience{metadata.Issuer}, ID: "the only one",
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
