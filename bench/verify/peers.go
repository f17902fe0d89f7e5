package main

import (
	"context"
	"crypto"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

func (w *world) peers() []contender {
	return []contender{
		{name: "golang-jwt/jwt/v5", start: w.golangJWT},
		{name: "go-jose/v4", start: w.goJose},
		{name: "lestrrat-go/jwx/v3", start: w.jwx},
		{name: "coreos/go-oidc/v3", start: w.goOIDC},
	}
}

func (w *world) golangJWT() (func(token) error, error) {
	key := func(t *golangjwt.Token) (any, error) {
		if t.Header["kid"] != kid {
			return nil, errors.New("unknown kid")
		}
		return &w.key.PublicKey, nil
	}
	parser := golangjwt.NewParser(golangjwt.WithValidMethods([]string{"RS256"}), golangjwt.WithIssuer(issuer),
		golangjwt.WithAudience(audience), golangjwt.WithExpirationRequired())
	return func(t token) error {
		_, err := parser.ParseWithClaims(t.raw, golangjwt.MapClaims{}, key)
		return err
	}, nil
}

func (w *world) goJose() (func(token) error, error) {
	set := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &w.key.PublicKey, KeyID: kid, Algorithm: "RS256", Use: "sig"}}}
	return func(t token) error {
		parsed, err := josejwt.ParseSigned(t.raw, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return err
		}
		var registered josejwt.Claims
		all := make(map[string]any)
		if err := parsed.Claims(set, &registered, &all); err != nil {
			return err
		}
		return registered.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: time.Now()})
	}, nil
}

func (w *world) jwx() (func(token) error, error) {
	set, err := jwk.Parse(w.jwks)
	return func(t token) error {
		parsed, err := jwxjwt.ParseString(t.raw, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(issuer),
			jwxjwt.WithAudience(audience), jwxjwt.WithRequiredClaim("exp"))
		if err != nil {
			return err
		}
		for _, name := range parsed.Keys() {
			var value any
			if err := parsed.Get(name, &value); err != nil {
				return err
			}
		}
		return nil
	}, err
}

func (w *world) goOIDC() (func(token) error, error) {
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{&w.key.PublicKey}}
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: audience})
	return func(t token) error {
		parsed, err := verifier.Verify(context.Background(), t.raw)
		if err != nil {
			return err
		}
		all := make(map[string]any)
		return parsed.Claims(&all)
	}, nil
}
