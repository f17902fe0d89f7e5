package rs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-authd/authd/rs"
)

// S0-14, S0-20, F-04, P-02, P-03: a token that did not come by HTTP.
// S0-14, P-02: outside of a request, and all that the token says is there.
func TestVerify(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())

	got, err := v.Verify(t.Context(), edit{"big": "12345678901234567890"}.token(), rs.Scopes("write"))
	if err != nil {
		t.Fatal(err)
	}

	want := &rs.Token{
		Issuer: testIssuer, Subject: "usr_1", ClientID: "shop", ID: "j-1", SessionID: "f-1",
		Scopes: []string{"read", "write"}, Audience: []string{testAudience},
		IssuedAt: start, ExpiresAt: start.Add(10 * time.Minute), AuthTime: time.Unix(1699999000, 0),
		Fresh: true, Kid: "k-at", Header: rs.JOSEHeader{Alg: "RS256", Kid: "k-at", Typ: "at+jwt"},
		Claims: map[string]any{
			"iss": testIssuer, "aud": testAudience, "sub": "usr_1", "client_id": "shop", "jti": "j-1", "sid": "f-1",
			"scope": "read write", "fresh": true, "type": "access", "big": json.Number("12345678901234567890"),
			"iat": json.Number("1700000000"), "nbf": json.Number("1700000000"),
			"exp": json.Number("1700000600"), "auth_time": json.Number("1699999000"),
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(rs.Token{})); diff != "" {
		t.Error(diff)
	}
}

// A token that another JOSE implementation made, so that forge does not merely agree with the code under test.
func TestVerifyTokenOfGoJose(t *testing.T) {
	t.Parallel()
	key := jose.JSONWebKey{Key: keyAT(), KeyID: "k-at"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, new(jose.SignerOptions).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(edit{}.payload()))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}

	if _, err := newVerifier(t, offline()).Verify(t.Context(), raw); err != nil {
		t.Error(err)
	}
}

func TestVerifyHeaders(t *testing.T) {
	t.Parallel()
	with := func(header string) string { return forge(header, edit{}.payload(), keyAT()) }
	tests := []struct {
		name, token string
		ok          bool
	}{
		{"typ at+jwt, J-27, RFC 9068 §4", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt"}`), true},
		{"typ AT+JWT, J-27", with(`{"alg":"RS256","kid":"k-at","typ":"AT+JWT"}`), true},
		{"typ application/at+jwt, J-27", with(`{"alg":"RS256","kid":"k-at","typ":"application/at+jwt"}`), true},
		{"typ JWT, J-26, J-27", with(`{"alg":"RS256","kid":"k-at","typ":"JWT"}`), false},
		{"no typ, J-27", with(`{"alg":"RS256","kid":"k-at"}`), false},
		{"typ xat+jwt, J-27", with(`{"alg":"RS256","kid":"k-at","typ":"xat+jwt"}`), false},
		{"typ with a space, J-27", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt "}`), false},
		{"refresh token, S2-06", with(`{"alg":"RS256","kid":"k-at","typ":"rt+jwt"}`), false},
		{"DPoP proof, J-28", with(`{"alg":"RS256","kid":"k-at","typ":"dpop+jwt"}`), false},
		{"logout token, J-28", with(`{"alg":"RS256","kid":"k-at","typ":"logout+jwt"}`), false},
		{"alg none without signature", base64url([]byte(`{"alg":"none","kid":"k-at","typ":"at+jwt"}`)) + "." + base64url([]byte(edit{}.payload())) + ".", false},
		{"alg none with signature", with(`{"alg":"none","kid":"k-at","typ":"at+jwt"}`), false},
		{"public key as HMAC secret, S4-05", hs256(t), false},
		{"RS384 with the right key, J-03", signedWith(t, jose.RS384, keyAT()), false},
		{"RS512 with the right key, J-03", signedWith(t, jose.RS512, keyAT()), false},
		{"PS256 with the right key, J-03", signedWith(t, jose.PS256, keyAT()), false},
		{"ES256 with another key, J-03", signedWith(t, jose.ES256, ecKey(t)), false},
		{"alg in lower case, J-03", with(`{"alg":"rs256","kid":"k-at","typ":"at+jwt"}`), false},
		{"kid as a path, J-04", with(`{"alg":"RS256","kid":"../../../../dev/null","typ":"at+jwt"}`), false},
		{"kid as SQL, J-05", with(`{"alg":"RS256","kid":"x' OR '1'='1","typ":"at+jwt"}`), false},
		{"kid of 64 KiB, J-06", with(`{"alg":"RS256","kid":"` + strings.Repeat("k", 64<<10) + `","typ":"at+jwt"}`), false},
		{"kid with line break, J-06", with(`{"alg":"RS256","kid":"k-at\r\n","typ":"at+jwt"}`), false},
		{"kid as number, J-06", with(`{"alg":"RS256","kid":1,"typ":"at+jwt"}`), false},
		{"no kid, J-07", with(`{"alg":"RS256","typ":"at+jwt"}`), false},
		{"unknown kid, J-09", with(`{"alg":"RS256","kid":"k-old","typ":"at+jwt"}`), false},
		{"another key under a known kid", forge(goodHeader, edit{}.payload(), keyEvil()), false},
		{"embedded jwk", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","jwk":{}}`), false},
		{"jku, J-12", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","jku":"http://127.0.0.1:1/"}`), false},
		{"x5u, J-13", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","x5u":"http://127.0.0.1:1/"}`), false},
		{"x5c, J-13", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","x5c":["AA=="]}`), false},
		{"empty crit, J-15", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","crit":[]}`), false},
		{"crit b64, J-15", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","crit":["b64"],"b64":true}`), false},
		{"b64, J-15", with(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","b64":false}`), false},
		{"duplicate alg, J-16", with(`{"alg":"RS256","alg":"RS256","kid":"k-at","typ":"at+jwt"}`), false},
		{"JWE of direct encryption, J-39", base64url([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)) + "..AA.AA.AA", false},
		{"JWE with a password, J-40", base64url([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647}`)) + ".AA.AA.AA.AA", false},
		{"JWE of dots, J-41", "....", false},
		{"nested JWT, J-42", forge(`{"alg":"RS256","kid":"k-at","typ":"at+jwt","cty":"JWT"}`, edit{}.token(), keyAT()), false},
		{"JSON serialization, J-43", `{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}`, false},
		{"empty", "", false},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), tt.token)
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("got error %v, want success %t", err, tt.ok)
			}
		})
	}
}

func signedWith(t *testing.T, alg jose.SignatureAlgorithm, key any) string {
	t.Helper()
	opts := new(jose.SignerOptions).WithType("at+jwt").WithHeader("kid", "k-at")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(edit{}.payload()))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func hs256(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(keyAT().Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	input := base64url([]byte(`{"alg":"HS256","kid":"k-at","typ":"at+jwt"}`)) + "." + base64url([]byte(edit{}.payload()))
	mac.Write([]byte(input))
	return input + "." + base64url(mac.Sum(nil))
}

// Variants of a good token that carry the same bytes: none may pass for another token.
func TestVerifySpellings(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	last := good[len(good)-1] // 256 bytes: four of its bits are ignored
	other := map[byte]string{'A': "B", 'Q': "R", 'g': "h", 'w': "x"}[last]
	tests := []struct{ name, token string }{
		{"ignored bits of the last character, J-44", good[:len(good)-1] + other},
		{"line break in the signature, J-44", good[:len(good)-9] + "\n" + good[len(good)-9:]},
		{"line break at the end, J-44", good + "\n"},
		{"padding, J-45", good + "=="},
		{"standard alphabet, J-45", strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+"},
		{"fourth part, J-45", good + ".AA"},
		{"leading space, J-45", " " + good},
		{"zero-width space, J-45", "\u200b" + good},
		{"two tokens with a comma, J-52", good + "," + good},
		{"two tokens with a line break, J-52", good + "\n" + good},
		{"8 MiB, J-36", good + strings.Repeat("A", 8<<20)},
		{"dots, J-37", strings.Repeat(".", 10_000_000)},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := v.Verify(t.Context(), tt.token); !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("got error %v, want ErrInvalid", err)
			}
		})
	}
}

func TestVerifyClaims(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit edit
		want error
	}{
		{"other spellings of names mean nothing, J-17", edit{"Sub": `"admin"`, "EXP": "1", "Scope": `"admin"`, "ISS": "1"}, nil},
		{"unknown claims of any type", edit{"x": `{"a":[1,null]}`, "error": `"Invalid token"`}, nil},
		{"only what RFC 9068 §2.2 requires", edit{"nbf": "", "sid": "", "scope": "", "auth_time": "", "fresh": "", "type": ""}, nil},
		{"exp with a fraction, J-21", edit{"exp": "1700000060.5"}, nil},

		{"another issuer", edit{"iss": `"https://evil.example"`}, rs.ErrInvalid},
		{"issuer with a slash at the end, X-02", edit{"iss": `"https://id.example.com/"`}, rs.ErrInvalid},
		{"issuer as array", edit{"iss": `["https://id.example.com"]`}, rs.ErrInvalid},
		{"no issuer", edit{"iss": ""}, rs.ErrInvalid},

		{"one of two audiences, J-30", edit{"aud": `["evil","https://api.example.com"]`}, nil},
		{"another audience", edit{"aud": `"https://other.example"`}, rs.ErrInvalid},
		{"ID token's audience, J-26", edit{"aud": `"shop"`}, rs.ErrInvalid},
		{"a number among the audiences, J-30", edit{"aud": `["https://api.example.com",1]`}, rs.ErrInvalid},
		{"audience as object, J-30", edit{"aud": `{"https://api.example.com":1}`}, rs.ErrInvalid},
		{"audience null, J-30", edit{"aud": `null`}, rs.ErrInvalid},
		{"audience in capitals, J-30", edit{"aud": `"HTTPS://API.EXAMPLE.COM"`}, rs.ErrInvalid},
		{"audience with a slash, J-30", edit{"aud": `"https://api.example.com/"`}, rs.ErrInvalid},
		{"no audience", edit{"aud": ""}, rs.ErrInvalid},
		{"empty audience array", edit{"aud": "[]"}, rs.ErrInvalid},

		{"no exp, J-19, S4-18", edit{"exp": ""}, rs.ErrInvalid},
		{"exp null, J-19", edit{"exp": "null"}, rs.ErrInvalid},
		{"exp as string, J-20", edit{"exp": `"9999999999"`}, rs.ErrInvalid},
		{"exp 1e300, J-20", edit{"exp": "1e300"}, rs.ErrInvalid},
		{"exp 1e400, J-20", edit{"exp": "1e400"}, rs.ErrInvalid},
		{"exp largest int64, J-20", edit{"exp": "9223372036854775807"}, rs.ErrInvalid},
		{"exp -1, J-20", edit{"exp": "-1"}, rs.ErrInvalid},
		{"exp 0, J-20", edit{"exp": "0"}, rs.ErrInvalid},
		{"exp true, J-20", edit{"exp": "true"}, rs.ErrInvalid},
		{"exp as array, J-20", edit{"exp": "[1]"}, rs.ErrInvalid},
		{"nbf as string, J-20", edit{"nbf": `"1"`}, rs.ErrInvalid},
		{"nbf null, J-20", edit{"nbf": "null"}, rs.ErrInvalid},
		{"nbf 1e300, J-20", edit{"nbf": "1e300"}, rs.ErrInvalid},
		{"nbf 1e400, J-20", edit{"nbf": "1e400"}, rs.ErrInvalid},
		{"nbf largest int64, J-20", edit{"nbf": "9223372036854775807"}, rs.ErrInvalid},
		{"nbf -1, J-20", edit{"nbf": "-1"}, rs.ErrInvalid},
		{"iat as string, J-20", edit{"iat": `"1700000000"`}, rs.ErrInvalid},
		{"iat 1e300, J-20", edit{"iat": "1e300"}, rs.ErrInvalid},
		{"iat -1, J-20", edit{"iat": "-1"}, rs.ErrInvalid},
		{"iat true, J-20", edit{"iat": "true"}, rs.ErrInvalid},
		{"no iat, J-23, J-34", edit{"iat": ""}, rs.ErrInvalid},
		{"iat in an hour, J-23", edit{"iat": "1700003600", "exp": "1700004200"}, rs.ErrInvalid},
		{"exp in the year 10000, J-22", edit{"exp": "253402300800"}, rs.ErrInvalid},
		{"a lifetime of 24 h, J-22", edit{"exp": "1700086400"}, nil},
		{"a lifetime of 24 h and a second, J-22", edit{"exp": "1700086401"}, rs.ErrInvalid},
		{"auth_time as string", edit{"auth_time": `"1699999000"`}, rs.ErrInvalid},

		{"no sub, J-33", edit{"sub": ""}, rs.ErrInvalid},
		{"empty sub, J-33", edit{"sub": `""`}, rs.ErrInvalid},
		{"sub as number, J-33, S3-14", edit{"sub": "1"}, rs.ErrInvalid},
		{"sub with NUL, J-33", edit{"sub": `"u\u0000"`}, rs.ErrInvalid},
		{"sub with a line break", edit{"sub": `"u\n"`}, rs.ErrInvalid},
		{"sub with byte 0xFF, J-33", edit{"sub": "\"u\xff\""}, rs.ErrInvalid},
		{"sub with byte 0xFE, J-33", edit{"sub": "\"u\xfe\""}, rs.ErrInvalid},
		{"sub with an unpaired surrogate, J-33", edit{"sub": `"u\ud800"`}, rs.ErrInvalid},
		{"no client_id, J-34", edit{"client_id": ""}, rs.ErrInvalid},
		{"empty client_id, J-34", edit{"client_id": `""`}, rs.ErrInvalid},
		{"no jti, J-34", edit{"jti": ""}, rs.ErrInvalid},
		{"jti as number, J-34", edit{"jti": "7"}, rs.ErrInvalid},
		{"sid as number", edit{"sid": "7"}, rs.ErrInvalid},
		{"empty sid", edit{"sid": `""`}, rs.ErrInvalid},
		{"scope as array, J-35", edit{"scope": `["read"]`}, rs.ErrInvalid},
		{"scope with a tab, J-35", edit{"scope": `"x\tread"`}, rs.ErrInvalid},
		{"nested too deep, J-38", edit{"x": strings.Repeat("[", 100) + strings.Repeat("]", 100)}, rs.ErrInvalid},

		{"expired", edit{"iat": "1699999000", "nbf": "", "exp": "1699999600"}, rs.ErrExpired},
		{"expired and another audience, F-95", edit{"iat": "1699999000", "exp": "1699999600", "aud": `"x"`}, rs.ErrInvalid},
		{"expired and another issuer, F-95", edit{"iat": "1699999000", "exp": "1699999600", "iss": `"x"`}, rs.ErrInvalid},
		{"expired and without jti, F-ORD", edit{"iat": "1699999000", "exp": "1699999600", "jti": ""}, rs.ErrInvalid},
		{"expired and not yet valid, F-ORD", edit{"iat": "1699999000", "exp": "1699999600", "nbf": "1700000100"}, rs.ErrInvalid},
		{"expired and longer than allowed, F-ORD", edit{"iat": "1600000000", "exp": "1699999600"}, rs.ErrInvalid},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := v.Verify(t.Context(), tt.edit.token())
			if !errors.Is(err, tt.want) || (err == nil) == (got == nil) {
				t.Errorf("got %+v, error %v, want error %v", got, err, tt.want)
			}
		})
	}
}

func TestVerifyPayloads(t *testing.T) {
	t.Parallel()
	good := edit{}.payload()
	tests := []struct{ name, payload string }{
		{"duplicate sub, J-16", `{"sub":"admin",` + good[1:]},
		{"duplicate exp, J-16", `{"exp":1800000000,` + good[1:]},
		{"duplicate by escape, J-16", `{"s\u0075b":"admin",` + good[1:]},
		{"second object, J-18", good + "{}"},
		{"string, J-18", `"str"`},
		{"array, J-18", "[" + good + "]"},
		{"white space, J-18", " "},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := v.Verify(t.Context(), forge(goodHeader, tt.payload, keyAT())); !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("got error %v, want ErrInvalid", err)
			}
		})
	}
}

// J-24: times are accepted and refused exactly at the bound.
func TestVerifyLeeway(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		leeway time.Duration
		edit   edit
		want   error
	}{
		{"exp 59 s ago", time.Minute, edit{"iat": "1699999000", "nbf": "", "exp": "1699999941"}, nil},
		{"exp 60 s ago, RFC 7519 §4.1.4", time.Minute, edit{"iat": "1699999000", "nbf": "", "exp": "1699999940"}, rs.ErrExpired},
		{"exp 61 s ago", time.Minute, edit{"iat": "1699999000", "nbf": "", "exp": "1699999939"}, rs.ErrExpired},
		{"nbf in 60 s", time.Minute, edit{"nbf": "1700000060"}, nil},
		{"nbf in 61 s", time.Minute, edit{"nbf": "1700000061"}, rs.ErrInvalid},
		{"iat in 60 s", time.Minute, edit{"iat": "1700000060"}, nil},
		{"iat in 61 s", time.Minute, edit{"iat": "1700000061"}, rs.ErrInvalid},
		{"exp 9 s ago, default", 0, edit{"iat": "1699999000", "nbf": "", "exp": "1699999991"}, nil},
		{"exp 10 s ago, default", 0, edit{"iat": "1699999000", "nbf": "", "exp": "1699999990"}, rs.ErrExpired},
		{"iat in 11 s, default", 0, edit{"iat": "1700000011"}, rs.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := offline()
			cfg.Leeway = tt.leeway
			if _, err := newVerifier(t, cfg).Verify(t.Context(), tt.edit.token()); !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, scope string
		required    rs.Requirement
		challenge   string // "" means success
	}{
		{"one of two, J-35", `"x read"`, rs.Scopes("read"), ""},
		{"both in another order", `"x read"`, rs.Scopes("read", "x"), ""},
		{"none required", "", rs.Scopes(), ""},
		{"zero requirement", "", rs.Requirement{}, ""},
		{"longer word, J-35", `"readonly"`, rs.Scopes("read"), `Bearer error="insufficient_scope", scope="read"`},
		{"read:all, J-35", `"read:all"`, rs.Scopes("read"), `Bearer error="insufficient_scope", scope="read"`},
		{"capitals, J-35", `"READ"`, rs.Scopes("read"), `Bearer error="insufficient_scope", scope="read"`},
		{"one of two missing, RFC 6750 §3.1", `"read"`, rs.Scopes("read", "write"), `Bearer error="insufficient_scope", scope="read write"`},
		{"no scope claim", "", rs.Scopes("read"), `Bearer error="insufficient_scope", scope="read"`},
		{"a name that no token can have", `"read"`, rs.Scopes("re\"ad"), `Bearer error="insufficient_scope"`},
		{"two names in one string", `"read write"`, rs.Scopes("read write"), `Bearer error="insufficient_scope"`},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), edit{"scope": tt.scope}.token(), tt.required)
			if tt.challenge == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refusal, ok := errors.AsType[*rs.Error](err)
			if !ok || !errors.Is(err, rs.ErrInsufficientScope) || refusal.Status != 403 || refusal.Challenge != tt.challenge {
				t.Errorf("got %v with challenge %q, want %q", err, refusal.Challenge, tt.challenge)
			}
		})
	}
}

// P-16, P-17: keys that are too small, or none for RS256.
// P-16: RSA keys of a safe length, and nothing else.
func TestVerifyWithUnusableKeys(t *testing.T) {
	t.Parallel()
	pub := keyAT().PublicKey
	n := func(bits uint) *big.Int {
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1))
	}
	tests := []struct {
		name string
		key  crypto.PublicKey
	}{
		{"unknown", nil},
		{"nil *rsa.PublicKey", (*rsa.PublicKey)(nil)},
		{"no modulus", &rsa.PublicKey{E: 3}},
		{"no pointer", pub},
		{"private key", keyAT()},
		{"symmetric key", []byte("secret")},
		{"EC key", ecKey(t).Public()},
		{"1024 bits, J-50", &rsa.PublicKey{N: n(1024), E: 65537}},
		{"16384 bits, J-50", &rsa.PublicKey{N: n(16384), E: 65537}},
		{"even modulus, J-50", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}},
		{"exponent 1, J-50", &rsa.PublicKey{N: pub.N, E: 1}},
		{"exponent 2", &rsa.PublicKey{N: pub.N, E: 2}},
		{"negative exponent", &rsa.PublicKey{N: pub.N, E: -3}},
		{"exponent of 33 bits", &rsa.PublicKey{N: pub.N, E: 1<<32 + 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := offline()
			cfg.Keys = staticKeys{"k-at": tt.key}
			if _, err := newVerifier(t, cfg).Verify(t.Context(), edit{}.token()); !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("got error %v, want ErrInvalid", err)
			}
		})
	}
}

// S0-05, S3-03, F-46, F-47, F-91, M-06, M-14, Flask-JWT J-01: what is missing or wrong fails at start.
// F-91, F-46, F-47: wrong use is an error at the start, not a 500 at a request.
func TestNewRefusesConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*rs.Config)
	}{
		{"no issuer", func(c *rs.Config) { c.Issuer = "" }},
		{"no audience", func(c *rs.Config) { c.Audience = "" }},
		{"negative leeway", func(c *rs.Config) { c.Leeway = -1 }},
		{"leeway above a minute", func(c *rs.Config) { c.Leeway = time.Minute + 1 }},
		{"negative lifetime", func(c *rs.Config) { c.MaxLifetime = -1 }},
		{"issuer in the clear", func(c *rs.Config) { c.Keys, c.Issuer = nil, "http://id.example.com" }},
		{"issuer without host", func(c *rs.Config) { c.Keys, c.Issuer = nil, "id.example.com" }},
		{"issuer with query, RFC 8414 §2", func(c *rs.Config) { c.Keys, c.Issuer = nil, "https://id.example.com?x" }},
		{"issuer with fragment, RFC 8414 §2", func(c *rs.Config) { c.Keys, c.Issuer = nil, "https://id.example.com#x" }},
		{"issuer with a user", func(c *rs.Config) { c.Keys, c.Issuer = nil, "https://u:p@id.example.com" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := offline()
			tt.change(&cfg)
			if v, err := rs.New(t.Context(), cfg); err == nil {
				_ = v.Close()
				t.Error("accepted")
			}
		})
	}
}
