package authdtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// authAge is how long before a token its person signed in.
const authAge = time.Hour

// draft is a token before it is signed.
type draft struct {
	issuer string
	now    time.Time
	key    *signingKey // that signs for the issuer
	header map[string]any
	claims map[string]any
	sign   func(input string) []byte
	whole  string // in place of all this
}

// Token returns an access token. Without shapes it is one that a person's client got for a refresh token: for
// [Issuer.Audience], without scopes, not fresh, good for [DefaultTTL]. Shapes are applied in turn.
func (i *Issuer) Token(shapes ...Shape) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := i.draft()
	for _, list := range [][]Shape{i.defaults, shapes} {
		for _, shape := range list {
			shape(d)
		}
	}
	i.outliveRevocation(d)
	if exp, ok := d.claims["exp"].(int64); ok && exp > i.longest.Unix() {
		i.longest = time.Unix(exp, 0)
	}
	return d.token()
}

func (i *Issuer) draft() *draft {
	d := &draft{
		issuer: i.URL, now: i.now(), key: i.keys.signing,
		header: map[string]any{"alg": "RS256", "kid": i.keys.signing.kid, "typ": oauth.TypeAccessToken},
		claims: map[string]any{
			"iss": i.URL, "sub": DefaultSubject, "aud": DefaultAudience, "client_id": DefaultClient, "jti": newID(), "scope": "",
			"sid": newFamilyID(), "amr": []string{"pwd"}, "type": "access", "fresh": false,
		},
	}
	d.sign = func(input string) []byte { return rs256(input, d.key.private) }
	d.issuedAt(d.now)
	return d
}

// issuedAt moves all times along.
func (d *draft) issuedAt(at time.Time) {
	d.claims["iat"], d.claims["nbf"], d.claims["exp"] = at.Unix(), at.Unix(), at.Add(DefaultTTL).Unix()
	if _, person := d.claims["sid"]; person {
		d.claims["auth_time"] = at.Add(-authAge).Unix()
	}
}

func (i *Issuer) defaultAudience() string {
	d := i.draft()
	for _, shape := range i.defaults {
		shape(d)
	}
	switch aud := d.claims["aud"].(type) {
	case string:
		return aud
	case []string:
		return aud[0]
	}
	return DefaultAudience
}

func (d *draft) token() string {
	if d.whole != "" {
		return d.whole
	}
	input := base64url(encode(d.header)) + "." + base64url(encode(d.claims))
	return input + "." + base64url(d.sign(input))
}

// encode leaves < and > as they are, as the server does.
func encode(members map[string]any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		panic(fmt.Sprintf("authdtest: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Sign makes a compact JWS of a header and a payload that may be anything, for what no [Shape] can say: members
// twice, broken JSON. The signature is that of RS256 whatever the header names.
func Sign(header, payload string, key *rsa.PrivateKey) string {
	input := base64url([]byte(header)) + "." + base64url([]byte(payload))
	return input + "." + base64url(rs256(input, key))
}

func rs256(input string, key *rsa.PrivateKey) []byte {
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return signature
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newID() string { return must(oauth.NewJTI(rand.Reader)) }

func newFamilyID() string { return must(oauth.NewFamilyID(rand.Reader)) }

func must(id string, err error) string {
	if err != nil {
		panic(err)
	}
	return id
}
