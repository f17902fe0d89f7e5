package clients_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

const (
	issuer        = "https://as.example"
	tokenEndpoint = issuer + "/oauth2/token"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// The keys of the tests. Those of shop are registered; thief's has the kid of one of them.
var (
	shopRSA  = sync.OnceValue(newRSA)
	thiefRSA = sync.OnceValue(newRSA)
	shopEC   = sync.OnceValue(func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func newRSA() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func jwk(pub any, kid, alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: pub, KeyID: kid, Algorithm: alg, Use: "sig"}
}

func keySet(t *testing.T, keys ...jose.JSONWebKey) string {
	t.Helper()
	doc, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// object is a header or a claims set; a nil member is left out.
type object map[string]any

func (o object) with(changes object) object {
	out := maps.Clone(o)
	for name, value := range changes {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

func segment(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// sign makes a JWT by hand, so that any header can be put before any signature.
func sign(t *testing.T, key any, header, claims object) string {
	t.Helper()
	input := segment(t, header) + "." + segment(t, claims)
	digest := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch key := key.(type) {
	case nil:
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		sig = mac.Sum(nil)
	case *rsa.PrivateKey:
		if header["alg"] == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		}
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, key, digest[:])
		sig, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

var goodHeader = object{"alg": "RS256", "kid": "r1"}

func goodClaims(t *testing.T, now time.Time) object {
	t.Helper()
	jti, err := oauth.NewJTI(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return object{"iss": "shop", "sub": "shop", "aud": issuer, "jti": jti, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
}

func form(assertion string) oauth.Form {
	return oauth.Form{"client_assertion_type": assertionType, "client_assertion": assertion}
}

// noSource fails the test when keys are fetched.
type noSource struct{ t *testing.T }

func (s noSource) Get(_ context.Context, uri string) ([]byte, error) {
	s.t.Errorf("%s was fetched", uri)
	return nil, errors.New("nowhere")
}

func newAuthenticator(d *db.DB, fetch clients.Fetcher, now func() time.Time) *clients.Authenticator {
	return clients.NewAuthenticator(clients.AuthenticatorConfig{
		DB: d, Audiences: []string{issuer, tokenEndpoint}, Fetch: fetch, Now: now,
	})
}

// prove is what every endpoint does: parse, verify, read the registration, check.
func prove(t *testing.T, a *clients.Authenticator, d *db.DB, f oauth.Form) error {
	t.Helper()
	c, err := clients.ParseCredentials(nil, f)
	if err != nil {
		return err
	}
	if c, err = a.Authenticate(t.Context(), c); err != nil {
		return err
	}
	client, _, err := d.Client(t.Context(), c.ClientID())
	if err != nil {
		return err
	}
	return c.Check(&client)
}

func register(t *testing.T, r *clients.Registry, c oauth.Client) {
	t.Helper()
	if _, secret, err := r.Create(t.Context(), c); err != nil || c.AuthMethod == oauth.PrivateKeyJWT && secret != "" {
		t.Fatalf("client %s: %v, or it got a secret", c.ID, err)
	}
}

// RFC 7523 §3, OIDC Core §9.
func TestAssertions(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	a := newAuthenticator(d, noSource{t}, time.Now)
	keys := keySet(t, jwk(shopRSA().Public(), "r1", ""), jwk(thiefRSA().Public(), "ps", "PS256"), jwk(shopEC().Public(), "e1", ""))
	register(t, r, oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT, JWKS: keys})
	register(t, r, oauth.Client{ID: "off", AuthMethod: oauth.PrivateKeyJWT, JWKS: keys})
	register(t, r, oauth.Client{ID: "basic"})
	register(t, r, oauth.Client{ID: "app", AuthMethod: oauth.AuthNone})
	if err := d.DisableClient(t.Context(), "off"); err != nil {
		t.Fatal(err)
	}
	now, err := d.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// From here on the keys of shop are in memory.
	wantRule(t, prove(t, a, d, form(sign(t, shopRSA(), goodHeader, goodClaims(t, now)))), "")
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	publicPEM := []byte(keys)
	tests := []struct {
		name           string
		key            any
		header, claims object
		rule           string // of the refusal with invalid_client; "" for a success
	}{
		{"RS256", shopRSA(), nil, nil, ""},
		{"PS256 by an RSA key that is registered without alg", shopRSA(), object{"alg": "PS256"}, nil, ""},
		{"PS256 by a key that is registered for it", thiefRSA(), object{"alg": "PS256", "kid": "ps"}, nil, ""},
		{"ES256", shopEC(), object{"alg": "ES256", "kid": "e1"}, nil, ""},
		{"no kid: the keys are tried", shopEC(), object{"alg": "ES256", "kid": nil}, nil, ""},
		{"typ JWT", shopRSA(), object{"typ": "JWT"}, nil, ""},
		{"typ of draft rfc7523bis", shopRSA(), object{"typ": "client-authentication+jwt"}, nil, ""},
		{"the token endpoint as aud, OIDC Core §9", shopRSA(), nil, object{"aud": tokenEndpoint}, ""},
		{"aud as an array of one", shopRSA(), nil, object{"aud": []string{issuer}}, ""},
		{"a clock that is a little ahead", shopRSA(), nil, object{"iat": in(50 * time.Second), "nbf": in(50 * time.Second)}, ""},
		{"a clock that is a little behind", shopRSA(), nil, object{"iat": in(-110 * time.Second), "exp": in(-50 * time.Second)}, ""},
		{"no iat, and exp in five minutes", shopRSA(), nil, object{"iat": nil, "exp": in(5 * time.Minute)}, ""},
		{"exp in an hour, as libraries set it, with iat", shopRSA(), nil, object{"exp": in(time.Hour)}, ""},

		{"C-16: no exp", shopRSA(), nil, object{"exp": nil}, "exp is missing"},
		{"C-16: exp in an hour, and no iat", shopRSA(), nil, object{"iat": nil, "exp": in(time.Hour)}, "exp lies too far ahead"},
		{"C-16: exp in two hours", shopRSA(), nil, object{"exp": in(2 * time.Hour)}, "exp lies too far ahead"},
		{"C-16: nbf ahead", shopRSA(), nil, object{"nbf": in(2 * time.Minute)}, "nbf"},
		{"C-16: iat a day ago", shopRSA(), nil, object{"iat": in(-24 * time.Hour)}, "iat lies too far back"},
		{"iat seven minutes ago, although exp is ahead", shopRSA(), nil, object{"iat": in(-7 * time.Minute), "exp": in(time.Minute)}, "iat lies too far back"},
		{"iat ahead", shopRSA(), nil, object{"iat": in(2 * time.Minute)}, "iat lies ahead"},
		{"expired", shopRSA(), nil, object{"exp": in(-2 * time.Minute)}, "it has expired"},
		{"exp as a string", shopRSA(), nil, object{"exp": "1795000000"}, "exp is missing or no date"},
		{"iat null", shopRSA(), nil, object{"iat": json.RawMessage("null")}, "iat is no date"},
		{"C-14: aud of this server and another", shopRSA(), nil, object{"aud": []string{issuer, "https://evil.example"}}, "aud is not this server alone"},
		{"C-14: another endpoint as aud", shopRSA(), nil, object{"aud": issuer + "/oauth2/revoke"}, "aud is not this server alone"},
		{"C-14: another server as aud", shopRSA(), nil, object{"aud": "https://evil.example"}, "aud is not this server alone"},
		{"the issuer with a slash", shopRSA(), nil, object{"aud": issuer + "/"}, "aud is not this server alone"},
		{"no aud", shopRSA(), nil, object{"aud": nil}, "aud is not this server alone"},
		{"an empty aud", shopRSA(), nil, object{"aud": []string{}}, "aud is not this server alone"},
		{"no jti", shopRSA(), nil, object{"jti": nil}, "jti is missing"},
		{"a jti that is a number", shopRSA(), nil, object{"jti": 7}, "jti is missing"},
		{"C-17: iss is not sub", shopRSA(), nil, object{"iss": "other"}, "iss is not sub"},
		{"no iss", shopRSA(), nil, object{"iss": nil}, "iss is not sub"},
		{"C-17: the identifier of another client", shopRSA(), nil, object{"iss": "basic", "sub": "basic"}, "client is not registered for private_key_jwt"},
		{"of a public client", shopRSA(), nil, object{"iss": "app", "sub": "app"}, "client is not registered for private_key_jwt"},
		{"C-12: of a disabled client", shopRSA(), nil, object{"iss": "off", "sub": "off"}, "client is disabled"},
		{"of an unknown client", shopRSA(), nil, object{"iss": "nobody", "sub": "nobody"}, "unknown client"},
		{"C-18: alg none, no signature", nil, object{"alg": "none"}, nil, "signature: is empty"},
		{"C-18: alg none", shopRSA(), object{"alg": "none"}, nil, "alg is not allowed"},
		{"C-18: HS256 with the public keys as secret", publicPEM, object{"alg": "HS256"}, nil, "alg is not allowed"},
		{"RS256 by a key that is registered for PS256", thiefRSA(), object{"kid": "ps"}, nil, "no registered key has its kid and alg"},
		{"ES256 with the kid of an RSA key", shopEC(), object{"alg": "ES256"}, nil, "no registered key has its kid and alg"},
		{"C-19: another client's key with the same kid", thiefRSA(), nil, nil, "wrong signature"},
		{"a kid that is not registered", shopRSA(), object{"kid": "r2"}, nil, "no registered key has its kid and alg"},
		{"a key in the header", shopRSA(), object{"jwk": jwk(shopRSA().Public(), "r1", "")}, nil, "jwk is not allowed"},
		{"crit", shopRSA(), object{"crit": []string{"exp"}}, nil, "crit is not allowed"},
		{"an access token", shopRSA(), object{"typ": "at+jwt"}, nil, "typ is of something else"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			err := prove(t, a, d, form(sign(t, tt.key, goodHeader.with(tt.header), goodClaims(t, now).with(tt.claims))))

			wantRule(t, err, tt.rule)
		})
	}
}

// wantRule: whatever is wrong, the client is told the same; the log is told what.
func wantRule(t *testing.T, err error, rule string) {
	t.Helper()
	if rule == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || e.Code != oauth.InvalidClient || e.Description != "client authentication failed" || !strings.Contains(e.Rule, rule) {
		t.Errorf("got %v, want invalid_client by the rule %q", err, rule)
	}
}

func TestAssertionBesideOtherParameters(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	a := newAuthenticator(d, noSource{t}, time.Now)
	register(t, r, oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT, JWKS: keySet(t, jwk(shopRSA().Public(), "r1", ""))})
	good := sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()))
	tests := []struct {
		name string
		form oauth.Form
		code oauth.Code
	}{
		{"C-20: no type", oauth.Form{"client_assertion": good}, oauth.InvalidRequest},
		{"C-20: another type", oauth.Form{"client_assertion": good, "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, oauth.InvalidRequest},
		{"a type and no assertion", oauth.Form{"client_assertion_type": assertionType}, oauth.InvalidRequest},
		{"two methods at once, RFC 6749 §2.3", oauth.Form{"client_assertion": good, "client_assertion_type": assertionType, "client_secret": "x", "client_id": "shop"}, oauth.InvalidRequest},
		{"C-17: client_id of another client", oauth.Form{"client_assertion": good, "client_assertion_type": assertionType, "client_id": "other"}, oauth.InvalidClient},
		{"no JWT", oauth.Form{"client_assertion": "x", "client_assertion_type": assertionType}, oauth.InvalidClient},
		{"C-11: the identifier alone", oauth.Form{"client_id": "shop"}, oauth.InvalidClient},
		{"C-11: a secret", oauth.Form{"client_id": "shop", "client_secret": "x"}, oauth.InvalidClient},
		{"client_id of the client, RFC 7521 §4.2", oauth.Form{"client_assertion": good, "client_assertion_type": assertionType, "client_id": "shop"}, ""},
	}
	for _, tt := range tests { // in order: the last one takes the jti
		err := prove(t, a, d, tt.form)

		e, _ := errors.AsType[*oauth.Error](err)
		if tt.code == "" && err != nil || tt.code != "" && (e == nil || e.Code != tt.code) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.code)
		}
	}
	wantRule(t, prove(t, a, d, form(good)), "jti was used before")
}

// C-11: what nobody has verified is no proof, whoever forgets to.
func TestAssertionIsNoProofByItself(t *testing.T) {
	t.Parallel()
	c, err := clients.ParseCredentials(nil, form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()))))
	if err != nil {
		t.Fatal(err)
	}

	err = c.Check(&oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT})

	wantRule(t, err, "the assertion was not verified")
}

// A key is changed without downtime: both are registered for a while. The jti that one
// client has used is free for another.
func TestKeyChange(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	a := newAuthenticator(d, noSource{t}, time.Now)
	before, after := jwk(shopRSA().Public(), "r1", ""), jwk(shopEC().Public(), "e1", "")
	register(t, r, oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT, JWKS: keySet(t, before)})
	register(t, r, oauth.Client{ID: "blog", AuthMethod: oauth.PrivateKeyJWT, JWKS: keySet(t, before)})
	try := func(change object) (old, young error) {
		return prove(t, a, d, form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()).with(change)))),
			prove(t, a, d, form(sign(t, shopEC(), object{"alg": "ES256", "kid": "e1"}, goodClaims(t, time.Now()).with(change))))
	}
	for _, step := range []struct {
		keys       []jose.JSONWebKey
		old, young string
	}{
		{[]jose.JSONWebKey{before}, "", "no registered key"},
		{[]jose.JSONWebKey{before, after}, "", ""},
		{[]jose.JSONWebKey{after}, "no registered key", ""},
	} {
		if _, err := r.Update(t.Context(), "shop", func(c *oauth.Client) { c.JWKS = keySet(t, step.keys...) }); err != nil {
			t.Fatal(err)
		}
		old, young := try(nil)
		wantRule(t, old, step.old)
		wantRule(t, young, step.young)
	}

	_, young := try(object{"jti": "7"})
	wantRule(t, young, "")
	other := goodClaims(t, time.Now()).with(object{"iss": "blog", "sub": "blog", "jti": "7"})
	wantRule(t, prove(t, a, d, form(sign(t, shopRSA(), goodHeader, other))), "")
}

// C-12: that a client's keys are in memory does not make it known any longer than it is.
func TestKnownClientIsDisabled(t *testing.T) {
	t.Parallel()
	r, d := registry(t)
	a := newAuthenticator(d, noSource{t}, time.Now)
	register(t, r, oauth.Client{ID: "shop", AuthMethod: oauth.PrivateKeyJWT, JWKS: keySet(t, jwk(shopRSA().Public(), "r1", ""))})
	authenticate := func() error {
		c, err := clients.ParseCredentials(nil, form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()))))
		if err != nil {
			return err
		}
		_, err = a.Authenticate(t.Context(), c)
		return err
	}
	for _, step := range []struct {
		change func(context.Context, string) error
		rule   string
	}{
		{nil, ""},
		{d.DisableClient, "client is disabled"},
		{d.EnableClient, ""},
		{d.DeleteClient, "unknown client"},
	} {
		if step.change != nil {
			if err := step.change(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
		}
		wantRule(t, authenticate(), step.rule)
	}
}

// C-24: a storage fault is no fault of the client.
func TestAssertionWithoutStorage(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	pool.Close()
	c, err := clients.ParseCredentials(nil, form(sign(t, shopRSA(), goodHeader, goodClaims(t, time.Now()))))
	if err != nil {
		t.Fatal(err)
	}

	_, err = newAuthenticator(db.New(pool), noSource{t}, time.Now).Authenticate(t.Context(), c)

	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("got %v, want that storage is unavailable", err)
	}
}

func FuzzAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYSJ9.c2ln", "a", assertionType)
	f.Add("..", "", assertionType)
	f.Add("eyJhbGciOiJub25lIn0.e30.", "shop", "")
	f.Fuzz(func(t *testing.T, assertion, id, kind string) {
		c, err := clients.ParseCredentials(nil, oauth.Form{"client_assertion": assertion, "client_assertion_type": kind, "client_id": id})
		if e, ok := errors.AsType[*oauth.Error](err); err != nil && (!ok || e.HTTPStatus() >= 500) {
			t.Errorf("got %v, want a refusal", err)
		}
		if err != nil {
			return
		}
		if !oauth.IsText(c.ClientID()) || (c.ClientID() == "" && assertion != "") {
			t.Errorf("accepted the identifier %q", c.ClientID())
		}
		if assertion != "" && c.Check(&oauth.Client{ID: c.ClientID(), AuthMethod: oauth.PrivateKeyJWT}) == nil {
			t.Error("nobody has verified it, and it is accepted")
		}
	})
}
