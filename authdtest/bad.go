package authdtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Expired is a token that was good until an hour ago.
func Expired() Shape { return ExpiresIn(-time.Hour) }

// NotYetValid is a token of an hour from now.
func NotYetValid() Shape { return func(d *draft) { d.issuedAt(d.now.Add(time.Hour)) } }

// WrongAudience is a token for another resource server.
func WrongAudience() Shape { return Audience("https://other-api.example.com") }

// WrongIssuer is a token that says it is of another issuer.
func WrongIssuer() Shape { return Claim("iss", "https://other-issuer.example.com") }

// WrongKey is a token that names the issuer's key and was signed by another one.
func WrongKey() Shape {
	return func(d *draft) { d.sign = func(input string) []byte { return rs256(input, strangersKey()) } }
}

// UnknownKid is a token of a key that the issuer does not publish.
func UnknownKid() Shape {
	return func(d *draft) { SignedBy(kidOf(strangersKey()), strangersKey())(d) }
}

// Tampered is a token whose claims were changed after it was signed.
func Tampered() Shape {
	return func(d *draft) {
		d.sign = func(string) []byte { return rs256(base64url(encode(d.header))+".e30", d.key.private) }
	}
}

// Unsigned is a token with alg "none" and no signature (RFC 7519 §6).
func Unsigned() Shape {
	return func(d *draft) {
		d.header["alg"] = "none"
		delete(d.header, "kid")
		d.sign = func(string) []byte { return nil }
	}
}

// HS256WithPublicKey is a token whose HMAC has the issuer's public key for its secret (RFC 8725 §2.1).
func HS256WithPublicKey() Shape {
	return func(d *draft) {
		d.header["alg"] = "HS256"
		der, err := x509.MarshalPKIXPublicKey(d.key.private.Public())
		if err != nil {
			panic(err)
		}
		secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		d.sign = func(input string) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			return mac.Sum(nil)
		}
	}
}

// RefreshToken is a refresh token, which no resource server takes.
func RefreshToken() Shape {
	return func(d *draft) {
		d.claims = map[string]any{
			"iss": d.issuer, "aud": d.issuer, "sub": d.claims["sub"], "client_id": d.claims["client_id"], "type": "refresh",
			"jti": d.claims["jti"], "iat": d.claims["iat"], "exp": d.now.Add(14 * 24 * time.Hour).Unix(),
			"fid": d.claims["sid"], "gen": 1,
		}
		d.header["typ"] = oauth.TypeRefreshToken
		SignedBy(kidOf(refreshKey()), refreshKey())(d)
	}
}

// IDToken is an ID token (OIDC Core §2) with a published key's signature: it tells a client who signed in, and is no
// credential.
func IDToken() Shape {
	return func(d *draft) {
		d.claims = map[string]any{
			"iss": d.issuer, "sub": d.claims["sub"], "aud": d.claims["client_id"], "nonce": "n-0S6_WzA2Mj",
			"iat": d.claims["iat"], "exp": d.claims["exp"], "auth_time": d.claims["auth_time"],
		}
		d.header["typ"] = "JWT"
	}
}

// Garbage is no JWT at all.
func Garbage() Shape { return func(d *draft) { d.whole = "garbage" } }
