package authd_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/internal/oauth"
)

// keyPair is what a client signs its assertions with.
type keyPair struct {
	kid    string
	public crypto.PublicKey
	signer gojose.Signer
}

func newKeyPair(t *testing.T, kid string) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.ES256, Key: key}, new(gojose.SignerOptions).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{kid, key.Public(), signer}
}

func jwksOf(t *testing.T, pairs ...keyPair) []byte {
	t.Helper()
	var set gojose.JSONWebKeySet
	for _, p := range pairs {
		set.Keys = append(set.Keys, gojose.JSONWebKey{Key: p.public, KeyID: p.kid, Use: "sig"})
	}
	doc, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// assertion is good for one call of one client.
func (k keyPair) assertion(t *testing.T, client, audience string) string {
	t.Helper()
	jti, err := oauth.NewJTI(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	raw, err := jwt.Signed(k.signer).Claims(jwt.Claims{
		Issuer: client, Subject: client, Audience: jwt.Audience{audience}, ID: jti,
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// asserted adds the parameters of an assertion to those of a call.
func asserted(assertion string, pairs ...string) []string {
	return append(pairs, "client_assertion_type", assertionType, "client_assertion", assertion)
}

// RFC 7523, RFC 7009, RFC 7662: wherever clients authenticate, they may do so by assertion,
// each time by another; nothing of one comes into a log.
func TestAssertionAtEveryEndpoint(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	issuer := h.http.URL
	shop, api := newKeyPair(t, "s1"), newKeyPair(t, "a1")
	h.client(authd.Client{
		ID: "shop", AuthMethod: "private_key_jwt", JWKS: jwksOf(t, shop), Audiences: []string{"https://api.example"},
		GrantTypes: []string{"client_credentials", "refresh_token"},
	})
	h.client(authd.Client{ID: "api", AuthMethod: "private_key_jwt", JWKS: jwksOf(t, api), Audiences: []string{"https://api.example"}, ResourceServer: true})
	var used []string
	call := func(path string, k keyPair, client string, pairs ...string) answer {
		used = append(used, k.assertion(t, client, issuer))
		return h.form(path, "", "", asserted(used[len(used)-1], pairs...)...)
	}
	active := func(token string) bool {
		return call("/oauth2/introspect", api, "api", "token", token).want(t, 200, "").body["active"] == true
	}

	token := call("/oauth2/token", shop, "shop", "grant_type", "client_credentials").want(t, 200, "").str("access_token")
	if !active(token) {
		t.Error("the token is not active")
	}
	call("/oauth2/revoke", shop, "shop", "token", token).want(t, 200, "")
	if active(token) {
		t.Error("the token is active after its revocation")
	}
	first, err := h.server.Issue(t.Context(), authd.SignedIn{ClientID: "shop", Subject: authd.Subject{ID: "ada"}})
	if err != nil {
		t.Fatal(err)
	}
	call("/oauth2/token", shop, "shop", "grant_type", "refresh_token", "refresh_token", first.RefreshToken).want(t, 200, "")
	if got := call("/oauth2/revocations", api, "api").want(t, 200, "").body["revoked"].([]any); len(got) != 1 {
		t.Errorf("the feed tells of %v, want one revocation", got)
	}
	call("/oauth2/introspect", shop, "shop", "token", token).want(t, 403, "access_denied")

	for path, with := range map[string]string{"/oauth2/token": used[0], "/oauth2/introspect": used[1], "/oauth2/revoke": used[2], "/oauth2/revocations": used[1]} {
		h.form(path, "", "", asserted(with, "grant_type", "client_credentials", "token", token)...).want(t, 401, "invalid_client")
	}
	log := h.log.String()
	if !strings.Contains(log, "assertion: jti was used before") {
		t.Error("the log does not tell why an assertion was refused")
	}
	for _, assertion := range used {
		if strings.Contains(log, assertion[strings.LastIndexByte(assertion, '.'):]) {
			t.Errorf("the log has the signature of %s", assertion)
		}
	}
}

// RFC 6749 §4.1.3, RFC 7636 §4.6: a confidential client that signs redeems a code by an
// assertion and PKCE, by neither alone, and goes on by another assertion each time.
func TestAssertionRedeemsCode(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	pair, stranger := newKeyPair(t, "1"), newKeyPair(t, "1")
	h.client(authd.Client{
		ID: "web", AuthMethod: "private_key_jwt", JWKS: jwksOf(t, pair), Scopes: []string{"read"}, RedirectURIs: []string{appCallback},
		GrantTypes: []string{"authorization_code", "refresh_token"}, Audiences: []string{"https://api.example"},
	})
	cfg, verifier, p := h.config("read"), oauth2.GenerateVerifier(), h.person()
	cfg.ClientID = "web"
	if got := p.back(p.open(cfg.AuthCodeURL("s"))); got.Get("error") != "invalid_request" {
		t.Errorf("without code_challenge: %v", got)
	}
	signIn := p.follow(p.open(cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier))))
	consent := p.follow(p.submit(signIn, "username", "ada", "password", password))
	code := p.back(p.submit(consent, "decision", "allow")).Get("code")
	redeem := func(verifier string, credentials ...string) answer {
		return h.form("/oauth2/token", "", "", append(credentials, "grant_type", "authorization_code", "code", code,
			"redirect_uri", appCallback, "code_verifier", verifier)...)
	}
	by := func(k keyPair) []string { return asserted(k.assertion(t, "web", h.http.URL)) }

	redeem(verifier, "client_id", "web").want(t, 401, "invalid_client")
	redeem(verifier, by(stranger)...).want(t, 401, "invalid_client")
	redeem(oauth2.GenerateVerifier(), by(pair)...).want(t, 400, "invalid_grant")
	got := redeem(verifier, by(pair)...).want(t, 200, "")
	if id, scope := claim(t, got, "client_id"), claim(t, got, "scope"); id != "web" || scope != "read" {
		t.Errorf("a token of %q with scope %q", id, scope)
	}
	h.form("/oauth2/token", "", "", append(by(pair), "grant_type", "refresh_token", "refresh_token", got.str("refresh_token"))...).want(t, 200, "")
	redeem(verifier, by(pair)...).want(t, 400, "invalid_grant") // its one use is over
}

// C-15: of N requests with one assertion, over two servers, one is answered.
func TestAssertionIsGoodOnce(t *testing.T) {
	t.Parallel()
	pool := keystest.Pool(t)
	a := newHarnessOn(t, pool, nil)
	b := newHarnessOn(t, pool, func(c *authd.Config) { c.Issuer = a.http.URL })
	pair := newKeyPair(t, "1")
	a.client(authd.Client{ID: "shop", AuthMethod: "private_key_jwt", JWKS: jwksOf(t, pair)})
	const rounds, n = 4, 16
	for range rounds {
		fields := asserted(pair.assertion(t, "shop", a.http.URL+"/oauth2/token"), "grant_type", "client_credentials")
		var statuses [n]int
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range n {
			server := a
			if i%2 == 1 {
				server = b
			}
			wg.Go(func() {
				<-start
				statuses[i] = postForm(t, server.http, "/oauth2/token", fields)
			})
		}
		close(start)
		wg.Wait()

		count := make(map[int]int)
		for _, s := range statuses {
			count[s]++
		}
		if count[200] != 1 || count[401] != n-1 {
			t.Errorf("answers by status %v, want one 200 and %d times 401", count, n-1)
		}
	}
}

// postForm does not end the test, so that any goroutine may call it.
func postForm(t *testing.T, server *httptest.Server, path string, pairs []string) int {
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	resp, err := server.Client().PostForm(server.URL+path, form)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// The keys of a client that publishes them, over TLS: a new one is known at once, and an
// address that is not on the open Internet is not asked, without the client being told.
func TestJWKSURI(t *testing.T) {
	t.Parallel()
	var doc atomic.Value
	var fetches atomic.Int64
	old, young := newKeyPair(t, "1"), newKeyPair(t, "2")
	doc.Store(jwksOf(t, old))
	keys := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = w.Write(doc.Load().([]byte))
	}))
	t.Cleanup(keys.Close)
	roots := x509.NewCertPool()
	roots.AddCert(keys.Certificate())
	pool := keystest.Pool(t)
	var later atomic.Int64 // nanoseconds; only of what is cached
	trusting := newHarnessOn(t, pool, func(c *authd.Config) {
		c.TrustOutbound(roots)
		c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	strict := newHarnessOn(t, pool, nil)
	trusting.client(authd.Client{ID: "shop", AuthMethod: "private_key_jwt", JWKSURI: keys.URL})
	ask := func(h *harness, k keyPair) answer {
		return h.form("/oauth2/token", "", "", asserted(k.assertion(t, "shop", h.http.URL), "grant_type", "client_credentials")...)
	}

	ask(trusting, old).want(t, 200, "")
	ask(trusting, old).want(t, 200, "")
	doc.Store(jwksOf(t, old, young))
	ask(trusting, young).want(t, 401, "invalid_client") // it was read just now
	later.Store(int64(31 * time.Second))
	ask(trusting, young).want(t, 200, "")
	if n := fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}

	refused := ask(strict, old).want(t, 401, "invalid_client")
	if refused.str("error_description") != "client authentication failed" {
		t.Errorf("M-07: the client is told %s", refused.raw)
	}
	if log := strict.log.String(); fetches.Load() != 2 || !strings.Contains(log, "keys of jwks_uri") || !strings.Contains(log, "is not 443 or 8443") {
		t.Errorf("M-07: %d fetches; the log:\n%s", fetches.Load(), log)
	}
}

// F-35: what remembers an assertion is deleted when it is good for nothing any more.
func TestUpkeepOfAssertions(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	pair := newKeyPair(t, "1")
	h.client(authd.Client{ID: "shop", AuthMethod: "private_key_jwt", JWKS: jwksOf(t, pair)})
	fields := asserted(pair.assertion(t, "shop", h.http.URL), "grant_type", "client_credentials")
	h.form("/oauth2/token", "", "", fields...).want(t, 200, "")
	for _, step := range []struct {
		after   time.Duration
		deleted int64
		rule    string
	}{
		{0, 0, "jti was used before"},
		{time.Hour, 0, "it has expired"},
		{time.Hour + 3*time.Minute, 1, "it has expired"},
	} {
		dbtest.SetClock(t, h.pool, step.after)
		h.server.Clean(t.Context())

		if got := h.server.Stats().RowsDeleted["client_assertions"]; got != step.deleted {
			t.Errorf("after %s: %d rows deleted, want %d", step.after, got, step.deleted)
		}
		h.form("/oauth2/token", "", "", fields...).want(t, 401, "invalid_client")
		if !strings.Contains(h.log.String(), step.rule) {
			t.Errorf("after %s: the log does not say %q", step.after, step.rule)
		}
	}
}
