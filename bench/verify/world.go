package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

const (
	issuer   = "https://id.example.com"
	audience = "https://api.example.com"
	kid      = "8Eh7ThGCYZTVHIhVQ6gGi1iwGqSV3HnJ1o1OpIXdKXs"
)

// token is one that nobody has seen, and what its signature covers.
type token struct {
	raw       string
	digest    [sha256.Size]byte
	signature []byte
}

type world struct {
	key    *rsa.PrivateKey
	jwks   []byte
	tokens []token
}

func newWorld() (*world, error) {
	w := &world{key: authdtest.Key(0)}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &w.key.PublicKey, KeyID: kid, Algorithm: "RS256", Use: "sig"}}}
	var err error
	if w.jwks, err = json.Marshal(set); err != nil {
		return nil, err
	}
	for i := range warmUp + tokens {
		t, err := w.sign(i)
		if err != nil {
			return nil, err
		}
		w.tokens = append(w.tokens, t)
	}
	return w, nil
}

// sign makes a token with the claims that authd gives one.
func (w *world) sign(i int) (token, error) {
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": audience, "sub": "usr_01J9ZC3V5T8N4KQ2", "client_id": "shop", "jti": fmt.Sprintf("01J9ZC3V5T8N4KQ2-%06d", i),
		"sid": "01J9ZC3V5T8N4KQ2M7", "scope": "orders:read orders:write profile", "iat": now.Unix(), "nbf": now.Unix(),
		"exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(), "fresh": true, "type": "access",
	})
	if err != nil {
		return token{}, err
	}
	t := token{raw: authdtest.Sign(`{"alg":"RS256","kid":"`+kid+`","typ":"at+jwt"}`, string(payload), w.key)}
	dot := strings.LastIndexByte(t.raw, '.')
	t.digest = sha256.Sum256([]byte(t.raw[:dot]))
	t.signature, err = base64.RawURLEncoding.DecodeString(t.raw[dot+1:])
	return t, err
}

// bare is the part that nobody can save at first sight.
func (w *world) bare() contender {
	return contender{name: "crypto/rsa, the signature alone", start: func() (func(token) error, error) {
		return func(t token) error {
			return rsa.VerifyPKCS1v15(&w.key.PublicKey, crypto.SHA256, t.digest[:], t.signature)
		}, nil
	}}
}

func (w *world) ours() []contender {
	start := func() (func(token) error, error) {
		keys, err := rs.StaticKeys(w.jwks)
		if err != nil {
			return nil, err
		}
		v, err := rs.New(context.Background(), rs.Config{Issuer: issuer, Audience: audience, Keys: keys})
		return func(t token) error {
			_, err := v.Verify(context.Background(), t.raw)
			return err
		}, err
	}
	again := func() (func(token) error, error) {
		verify, err := start()
		for _, t := range w.tokens {
			if err == nil {
				err = verify(t)
			}
		}
		return verify, err
	}
	return []contender{
		{
			name: "rs, at first sight", start: start, target: "≤ 1.20, ≤ 25 allocations",
			meets: func(r result) bool { return median(r.ratios) <= 1.2 && median(r.allocs) < 25.5 },
		},
		{name: "rs, a token seen before", start: again, target: "≤ 2 µs", meets: func(r result) bool { return micro(r) <= 2 }},
	}
}
