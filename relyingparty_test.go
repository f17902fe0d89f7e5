package authd_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

// relyingParty is a client's server. It takes logout tokens as OIDC Back-Channel Logout §2.6 has
// it, and answers as answer says; at first with 200.
type relyingParty struct {
	t      *testing.T
	issuer string
	*httptest.Server
	answer atomic.Value // http.HandlerFunc, after the token was read
	posts  atomic.Int64
	tokens chan logoutToken
}

type logoutToken struct {
	raw    string
	claims map[string]any
}

func newRelyingParty(t *testing.T, start func(http.Handler) *httptest.Server) *relyingParty {
	t.Helper()
	r := &relyingParty{t: t, tokens: make(chan logoutToken, 1000)}
	r.answer.Store(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r.Server = start(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.posts.Add(1)
		raw := req.PostFormValue("logout_token")
		if req.Method != http.MethodPost || req.URL.Path != "/ended" || len(req.PostForm) != 1 {
			t.Errorf("%s %s with %v", req.Method, req.URL, req.PostForm)
		}
		r.answer.Load().(http.HandlerFunc)(w, req)
		r.tokens <- logoutToken{raw, r.verified(raw)}
	}))
	t.Cleanup(r.Close)
	return r
}

// verified is nil where the token is to be refused.
func (r *relyingParty) verified(raw string) map[string]any {
	resp, err := http.Get(r.issuer + "/.well-known/jwks.json")
	if err != nil {
		if r.t.Context().Err() == nil { // else the test is over, and authd closed before us
			r.t.Error(err)
		}
		return nil
	}
	defer resp.Body.Close()
	var set gojose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		r.t.Error(err)
		return nil
	}
	jws, err := gojose.ParseSignedCompact(raw, []gojose.SignatureAlgorithm{gojose.RS256})
	if err != nil {
		r.t.Error(err)
		return nil
	}
	header := jws.Signatures[0].Header
	payload, err := jws.Verify(set.Key(header.KeyID)[0])
	if err != nil || header.ExtraHeaders[gojose.HeaderType] != "logout+jwt" {
		r.t.Errorf("header %v: %v", header, err)
		return nil
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		r.t.Error(err)
	}
	want := map[string]any{
		"iss": r.issuer, "aud": "rp", "sub": c["sub"], "sid": c["sid"], "jti": c["jti"], "iat": c["iat"], "exp": c["iat"].(float64) + 120,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if diff := cmp.Diff(want, c); diff != "" || c["jti"] == "" {
		r.t.Errorf("claims: -want +got\n%s", diff)
	}
	return c
}

// told waits for the next token, and returns its sid.
func (r *relyingParty) told() string {
	r.t.Helper()
	select {
	case token := <-r.tokens:
		sid, _ := token.claims["sid"].(string)
		return sid
	case <-r.t.Context().Done():
		r.t.Fatal("no token came")
		return ""
	}
}

// withRelyingParty is a server with users ada and bob, and the client rp that wants to be told
// of the end of sessions.
func withRelyingParty(t *testing.T) (*harness, *relyingParty) {
	t.Helper()
	r := newRelyingParty(t, httptest.NewTLSServer)
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	h := withPagesAnd(t, func(c *authd.Config) { c.TrustOutbound(roots) })
	r.issuer = h.http.URL
	h.registerParty(r)
	return h, r
}

func (h *harness) registerParty(r *relyingParty) {
	h.t.Helper()
	h.client(authd.Client{
		ID: "rp", AuthMethod: "none", FirstParty: true, Scopes: []string{"openid", "offline_access"}, RedirectURIs: []string{appCallback},
		BackchannelLogoutURI: r.URL + "/ended", BackchannelLogoutSessionRequired: true,
	})
}

func sidOf(t *testing.T, token *oauth2.Token) string {
	t.Helper()
	sid, _ := part(t, idToken(token), 1)["sid"].(string)
	return sid
}

func (h *harness) subject(name string) string {
	h.t.Helper()
	u, err := h.server.User(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return u.Subject
}

// waitTold waits for n events that say so, and for the queue to be empty.
func (h *harness) waitTold(n int) {
	h.t.Helper()
	for told := 0; told < n || h.count(`logout_notices`) > 0; {
		told = 0
		for _, e := range h.told() {
			if _, ok := e.(authd.LogoutDelivered); ok {
				told++
			}
		}
	}
}

func (h *harness) count(from string) (n int) {
	h.t.Helper()
	if err := h.pool.QueryRow(h.t.Context(), `select count(*) from authd.`+from).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}
