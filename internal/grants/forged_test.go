package grants_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

var evilKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// forge signs a header and a payload that are text, so that they can be wrong in any way.
func forge(t *testing.T, header, payload string) string {
	t.Helper()
	key, err := evilKey()
	if err != nil {
		t.Fatal(err)
	}
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// resign signs the payload of token under another ring or typ, with a real key.
func (f *fixture) resign(ring oauth.Ring, typ, payload string) string {
	f.t.Helper()
	token, err := f.rings.Sign(f.t.Context(), ring, "", typ, []byte(payload))
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

func payload(t *testing.T, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func header(t *testing.T, token string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var h map[string]any
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// X-01, S0-01: the header is exactly this, of both kinds of token.
func TestTokenHeaders(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r := f.login("ada")
	for token, typ := range map[string]string{r.AccessToken: "at+jwt", r.RefreshToken: "rt+jwt"} {
		h := header(t, token)
		kid, _ := h["kid"].(string)
		if len(h) != 3 || h["alg"] != "RS256" || h["typ"] != typ || kid == "" {
			t.Errorf("header %v, want alg, kid and typ %s", h, typ)
		}
	}
	if header(t, r.AccessToken)["kid"] == header(t, r.RefreshToken)["kid"] {
		t.Error("both rings sign with one key")
	}
}

// The J cases against the server itself, and: what is no token of ours is
// inactive, ends nothing, refreshes nothing, and takes no lock.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	r := f.login("ada")
	kid := header(t, r.AccessToken)["kid"].(string)
	access, refresh := payload(t, r.AccessToken), payload(t, r.RefreshToken)
	real := strings.Split(r.AccessToken, ".")
	tests := map[string]string{
		"signed by another key under our kid":       forge(t, `{"alg":"RS256","kid":"`+kid+`","typ":"at+jwt"}`, access),
		"R-27: an rt+jwt by another key":            forge(t, `{"alg":"RS256","kid":"`+kid+`","typ":"rt+jwt"}`, refresh),
		"R-27: refresh claims under the other ring": f.resign(oauth.AccessRing, oauth.TypeRefreshToken, refresh),
		"access claims under the refresh ring":      f.resign(oauth.RefreshRing, oauth.TypeAccessToken, access),
		"refresh claims as an access token":         f.resign(oauth.AccessRing, oauth.TypeAccessToken, refresh),
		"J-27: access claims with typ JWT":          f.resign(oauth.AccessRing, "JWT", access),
		"J-28: refresh claims with typ JWT":         f.resign(oauth.RefreshRing, "JWT", refresh),
		"J-02: another issuer":                      f.resign(oauth.AccessRing, oauth.TypeAccessToken, strings.Replace(access, issuer, "https://evil.example", 1)),
		"J-18: a payload that is a string":          f.resign(oauth.AccessRing, oauth.TypeAccessToken, `"x"`),
		"J-01: alg none":                            b64(`{"alg":"none","typ":"at+jwt","kid":"`+kid+`"}`) + "." + real[1] + ".",
		"J-01: HS256 keyed with the kid":            hs256(`{"alg":"HS256","typ":"at+jwt","kid":"`+kid+`"}`, access, kid),
		"J-04: a kid that is a path":                forge(t, `{"alg":"RS256","kid":"../../../../dev/null","typ":"at+jwt"}`, access),
		"J-05: a kid that is SQL":                   forge(t, `{"alg":"RS256","kid":"x' OR '1'='1","typ":"at+jwt"}`, access),
		"J-05: a kid that drops the table":          forge(t, `{"alg":"RS256","kid":"x';DROP TABLE authd.signing_keys;--","typ":"at+jwt"}`, access),
		"J-06: a kid that is a number":              forge(t, `{"alg":"RS256","kid":1,"typ":"at+jwt"}`, access),
		"J-07: no kid":                              forge(t, `{"alg":"RS256","typ":"at+jwt"}`, access),
		"J-43: the JSON serialization":              `{"protected":"` + real[0] + `","payload":"` + real[1] + `","signature":"` + real[2] + `"}`,
		"J-44: a line break in the signature":       r.AccessToken[:len(r.AccessToken)-5] + "\n" + r.AccessToken[len(r.AccessToken)-5:],
		"J-44: a line break behind it":              r.AccessToken + "\n",
		"J-44: ignored bits of the last character":  r.AccessToken[:len(r.AccessToken)-1] + string(neighbour(r.AccessToken[len(r.AccessToken)-1])),
		"J-45: padding":                             r.AccessToken + "==",
		"J-36: longer than 8 KiB":                   r.AccessToken + strings.Repeat("A", 9000),
		"J-37: nothing but dots":                    strings.Repeat(".", 5000),
		"J-39: five parts, an encrypted token":      r.AccessToken + ".x.y",
	}
	for name, token := range tests { // one after the other: the family is looked at in the end
		t.Run(name, func(t *testing.T) {
			if i := f.introspect(secret, token); i.Active || i.Subject != "" {
				t.Errorf("introspection says %+v", i)
			}
			if err := f.tokens.Revoke(t.Context(), asPublic("app"), token, tokens.ReasonClient); err != nil {
				t.Errorf("revocation says %v, want success (RFC 7009 §2.2)", err)
			}
			_, err := f.refresh(token)
			refused(t, err, oauth.InvalidGrant)
			refused(t, f.tokens.Logout(t.Context(), token), oauth.InvalidToken)
		})
	}
	if got := f.revokedReason(); got != "" {
		t.Errorf("a forged token ended the family for %q", got)
	}
	if !f.introspect(secret, r.AccessToken).Active {
		t.Error("a forged token ended the real one")
	}
}

func hs256(header, payload, key string) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// neighbour decodes to the same bytes for a decoder that ignores trailing bits: a
// signature of 256 bytes leaves four of the last character unused.
func neighbour(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

// J-44: no variant of a revoked token revives it, and the token itself stays dead.
// F-111: nothing takes a revocation back.
func TestRevokedTokenStaysDead(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	token := f.login("ada").AccessToken
	if err := f.tokens.Revoke(t.Context(), asPublic("app"), token, tokens.ReasonClient); err != nil {
		t.Fatal(err)
	}
	for _, variant := range []string{token, token + "\n", token[:len(token)-1] + string(neighbour(token[len(token)-1]))} {
		if f.introspect(secret, variant).Active {
			t.Errorf("…%q is active", variant[len(variant)-5:])
		}
	}
}
