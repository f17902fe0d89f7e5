package authdtest

import (
	"crypto/rsa"
	"strings"
	"time"
)

// Shape changes what a token says, or how it is signed.
type Shape func(*draft)

// Claim sets any claim to any value that encoding/json can write; a json.RawMessage stays as it is.
func Claim(name string, value any) Shape { return func(d *draft) { d.claims[name] = value } }

// Without leaves claims out.
func Without(names ...string) Shape {
	return func(d *draft) {
		for _, name := range names {
			delete(d.claims, name)
		}
	}
}

// Header sets a member of the header.
func Header(name string, value any) Shape { return func(d *draft) { d.header[name] = value } }

// WithoutHeader leaves members of the header out.
func WithoutHeader(names ...string) Shape {
	return func(d *draft) {
		for _, name := range names {
			delete(d.header, name)
		}
	}
}

// Subject is whom the token speaks for (sub).
func Subject(sub string) Shape { return Claim("sub", sub) }

// Client is the program that got the token (client_id).
func Client(id string) Shape { return Claim("client_id", id) }

// ClientCredentials makes it a token of a client's own: its subject is the client, and nobody has signed in.
func ClientCredentials(id string) Shape {
	return func(d *draft) {
		d.claims["sub"], d.claims["client_id"] = id, id
		Without("sid", "auth_time", "amr")(d)
	}
}

// Scope is what the token allows (scope).
func Scope(all ...string) Shape { return Claim("scope", strings.Join(all, " ")) }

// Audience is whom the token is for (aud): a string, or an array of more than one.
func Audience(all ...string) Shape {
	if len(all) == 1 {
		return Claim("aud", all[0])
	}
	return Claim("aud", all)
}

// Session is the token family (sid). Without it each token has one of its own.
func Session(sid string) Shape { return Claim("sid", sid) }

// ID is the token's own (jti). Without it each token has a random one.
func ID(jti string) Shape { return Claim("jti", jti) }

// Fresh makes it a token straight from a sign-in, which was now.
func Fresh() Shape {
	return func(d *draft) { d.claims["fresh"], d.claims["auth_time"] = true, d.claims["iat"] }
}

// AuthTime is when the person signed in.
func AuthTime(at time.Time) Shape { return Claim("auth_time", at.Unix()) }

// IssuedAt moves iat, and with it nbf, exp and auth_time.
func IssuedAt(at time.Time) Shape { return func(d *draft) { d.issuedAt(at) } }

// ExpiresIn sets exp, from the issuer's now. One that is not in the future moves iat too: such a token has lived.
func ExpiresIn(ttl time.Duration) Shape {
	return func(d *draft) {
		exp := d.now.Add(ttl)
		if ttl <= 0 {
			d.issuedAt(exp.Add(-DefaultTTL))
		}
		d.claims["exp"] = exp.Unix()
	}
}

// SignedBy names a key of the test's own in the header, and signs with it.
func SignedBy(kid string, key *rsa.PrivateKey) Shape {
	return func(d *draft) {
		d.header["kid"] = kid
		d.sign = func(input string) []byte { return rs256(input, key) }
	}
}
