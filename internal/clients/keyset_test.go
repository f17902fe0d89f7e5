package clients_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/oauth"
)

// RFC 7591 §2, RFC 7517: what may be registered as a client's keys.
func TestRegisteredKeys(t *testing.T) {
	t.Parallel()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1535, 1), E: 65537}
	even := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(0), 2047, 1), E: 65537}
	good := jwk(shopRSA().Public(), "r1", "")
	encryption := jwk(shopRSA().Public(), "r1", "")
	encryption.Use = "enc"
	many := make([]jose.JSONWebKey, 11)
	for i := range many {
		many[i] = jwk(shopEC().Public(), strconv.Itoa(i), "")
	}
	set := func(keys ...jose.JSONWebKey) string { return keySet(t, keys...) }
	tests := []struct {
		name   string
		client oauth.Client
		want   string // in the refusal; "" for none
	}{
		{"an RSA key", oauth.Client{JWKS: set(good)}, ""},
		{"a key on P-256, without a kid", oauth.Client{JWKS: set(jwk(shopEC().Public(), "", "ES256"))}, ""},
		{"a URI", oauth.Client{JWKSURI: "https://client.example/keys?v=1"}, ""},
		{"neither keys nor a URI", oauth.Client{}, "either jwks or jwks_uri"},
		{"both, RFC 7591 §2", oauth.Client{JWKS: set(good), JWKSURI: "https://client.example/keys"}, "either jwks or jwks_uri"},
		{"no JSON", oauth.Client{JWKS: "-----BEGIN PUBLIC KEY-----"}, "not a JWK set"},
		{"no keys", oauth.Client{JWKS: `{"keys":[]}`}, "1 to 10 keys"},
		{"a key that is no set", oauth.Client{JWKS: `{"kty":"RSA","n":"x","e":"AQAB"}`}, "1 to 10 keys"},
		{"eleven keys", oauth.Client{JWKS: set(many...)}, "1 to 10 keys"},
		{"a private key", oauth.Client{JWKS: set(jwk(shopRSA(), "r1", ""))}, "key 1: it has private members"},
		{"a private EC key", oauth.Client{JWKS: set(good, jwk(shopEC(), "e1", ""))}, "key 2: it has private members"},
		{"a secret", oauth.Client{JWKS: `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`}, "private members"},
		{"RSA of 1536 bits", oauth.Client{JWKS: set(jwk(small, "r1", ""))}, "modulus has 1536 bits"},
		{"an even modulus", oauth.Client{JWKS: set(jwk(even, "r1", ""))}, "modulus is even"},
		{"P-384", oauth.Client{JWKS: set(jwk(p384.Public(), "e1", ""))}, "not an RSA key or one on P-256"},
		{"Ed25519", oauth.Client{JWKS: set(jwk(edwards, "e1", ""))}, "not an RSA key or one on P-256"},
		{"another kty", oauth.Client{JWKS: `{"keys":[{"kty":"XYZ"}]}`}, "not a public key"},
		{"a point that is not on the curve", oauth.Client{JWKS: `{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`}, "not a public key"},
		{"for encryption", oauth.Client{JWKS: set(encryption)}, "use is not sig"},
		{"to sign with", oauth.Client{JWKS: strings.Replace(set(good), `"kty"`, `"key_ops":["sign"],"kty"`, 1)}, "key_ops has no verify"},
		{"RSA for ES256", oauth.Client{JWKS: set(jwk(shopRSA().Public(), "r1", "ES256"))}, "alg is not"},
		{"RSA for RS512", oauth.Client{JWKS: set(jwk(shopRSA().Public(), "r1", "RS512"))}, "alg is not"},
		{"a kid twice", oauth.Client{JWKS: set(good, jwk(shopEC().Public(), "r1", ""))}, "key 2: its kid stands twice"},
		{"http", oauth.Client{JWKSURI: "http://client.example/keys"}, "jwks_uri must be"},
		{"M-07: a user in the URI", oauth.Client{JWKSURI: "https://a@127.0.0.1/keys"}, "jwks_uri must be"},
		{"M-07: a zone in the URI", oauth.Client{JWKSURI: "https://[fe80::1%25eth0]/keys"}, "jwks_uri must be"},
		{"a fragment", oauth.Client{JWKSURI: "https://client.example/keys#x"}, "jwks_uri must be"},
		{"no host", oauth.Client{JWKSURI: "https:///keys"}, "jwks_uri must be"},
		{"a file", oauth.Client{JWKSURI: "file:///etc/passwd"}, "jwks_uri must be"},
		{"keys of a client with a secret", oauth.Client{AuthMethod: oauth.SecretBasic, JWKS: set(good)}, "are for the authentication method private_key_jwt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.client
			c.ID, c.GrantTypes = "shop", []oauth.GrantType{oauth.ClientCredentials}
			if c.AuthMethod == "" {
				c.AuthMethod = oauth.PrivateKeyJWT
			}

			err := clients.Validate(&c)

			e, _ := errors.AsType[*oauth.Error](err)
			if tt.want == "" && err != nil || tt.want != "" && (e == nil || e.Code != oauth.InvalidRequest || !strings.Contains(e.Description, tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Only what verifies is kept of a set, and registering what is kept changes nothing.
func TestKeySetIsNormalized(t *testing.T) {
	t.Parallel()
	noise := strings.Replace(keySet(t, jwk(shopEC().Public(), "e1", "ES256")), `"kty"`, `"x5u":"http://10.0.0.1/","note":"hunter2","kty"`, 1)
	r, d := registry(t)
	made, _, err := r.Create(t.Context(), oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT, JWKS: noise})
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Update(t.Context(), "shop", func(c *oauth.Client) { c.Name = "Shop" })
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := d.Client(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}

	if strings.Contains(kept.JWKS, "note") || strings.Contains(kept.JWKS, "x5u") || !strings.Contains(kept.JWKS, `"kid":"e1"`) {
		t.Errorf("kept %s", kept.JWKS)
	}
	if made.JWKS != kept.JWKS || again.JWKS != kept.JWKS {
		t.Errorf("kept %s, was made as %s and updated to %s", kept.JWKS, made.JWKS, again.JWKS)
	}
}

// A client may go over to a key. Its secrets are good for nothing then, and can all be
// removed; a client with a key gets none.
func TestFromSecretToKey(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	_, secret, err := r.Create(t.Context(), oauth.Client{ID: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Update(t.Context(), "shop", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS = oauth.PrivateKeyJWT, keySet(t, jwk(shopRSA().Public(), "r1", ""))
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := authenticate([]string{basic("shop:" + secret)}, nil, &c); err == nil {
		t.Error("C-11: the old secret authenticates")
	}
	if _, _, err := r.AddSecret(t.Context(), "shop"); !errors.Is(err, clients.ErrSigningClient) {
		t.Errorf("a secret: %v", err)
	}
	if err := r.RemoveSecret(t.Context(), "shop", c.Secrets[0].ID); err != nil {
		t.Errorf("the useless secret stays: %v", err)
	}
	if _, err := r.Update(t.Context(), "shop", func(c *oauth.Client) { c.AuthMethod = oauth.SecretBasic }); err == nil {
		t.Error("the keys stay behind")
	}
	back, err := r.Update(t.Context(), "shop", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.SecretBasic, "" })
	if err != nil || back.JWKS != "" || len(back.Secrets) != 0 {
		t.Errorf("back to a secret: %+v, %v", back, err)
	}
	if _, _, err := r.AddSecret(t.Context(), "shop"); err != nil {
		t.Errorf("a new secret: %v", err)
	}
	// A namesake of a deleted client inherits no key.
	if err := d.DeleteClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	made, _, err := r.Create(t.Context(), oauth.Client{ID: "shop", AuthMethod: oauth.AuthNone})
	if err != nil || made.JWKS != "" || slices.Contains(made.GrantTypes, oauth.ClientCredentials) {
		t.Errorf("namesake %+v, %v", made, err)
	}
}

// Whatever is registered as keys, what is kept is public, and can be read again.
func FuzzKeySet(f *testing.F) {
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AA"}]}`)
	f.Add(`{"keys":[{"kty":"EC","x5c":["AA"]},null,7]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		c := oauth.Client{ID: "a", AuthMethod: oauth.PrivateKeyJWT, JWKS: doc}
		err := clients.Validate(&c)
		if e, ok := errors.AsType[*oauth.Error](err); err != nil && (!ok || e.Code != oauth.InvalidRequest) {
			t.Fatalf("got %v, want a refusal", err)
		}
		if err != nil {
			return
		}
		kept := c.JWKS
		if err := clients.Validate(&c); err != nil || c.JWKS != kept || strings.Contains(kept, `"d":`) {
			t.Errorf("kept %s, then %s, %v", kept, c.JWKS, err)
		}
	})
}
