package authd_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/rs"
)

// OIDC Back-Channel Logout §2.3 to §2.6: in whatever way sessions end, their clients are told,
// each of the session that it knows, and of no other.
func TestBackchannelLogout(t *testing.T) {
	t.Parallel()
	type scene struct {
		*harness
		mine, other *person // ada, in two browsers
		token       *oauth2.Token
	}
	both := []string{"mine", "other"}
	tests := []struct {
		name string
		end  func(s scene)
		want []string
	}{
		{"a client signs the person out", func(s scene) {
			s.mine.open("/oauth2/logout?" + url.Values{"id_token_hint": {idToken(s.token)}}.Encode())
		}, []string{"mine"}},
		{"the person signs out on the page", func(s scene) {
			s.mine.submit(s.mine.open("/oauth2/logout"), "decision", "allow")
		}, []string{"mine"}},
		{"the person signs out at the account page", func(s scene) {
			s.mine.does(s.mine.open("/account"), "sign_out")
		}, []string{"mine"}},
		{"the person ends another browser's session", func(s scene) {
			page := s.mine.open("/account")
			for _, id := range ids(page) {
				if !strings.Contains(id, "-") { // of a browser
					s.mine.does(page, "end", "id", id)
				}
			}
		}, []string{"other"}},
		{"the person ends all others", func(s scene) { s.mine.does(s.mine.open("/account"), "end_others") }, []string{"other"}},
		{"the person has a new password", func(s scene) {
			const next = "zwei Fahrräder ohne Klingel 8"
			s.mine.does(s.mine.open("/account"), "password", passwordFields[0], password, passwordFields[1], next, passwordFields[2], next)
		}, both},
		{"somebody else signs in in the browser", func(s scene) {
			page := s.mine.follow(s.mine.open(s.openID("openid").AuthCodeURL("s", oauth2.S256ChallengeOption("v"), oauth2.SetAuthURLParam("prompt", "login"))))
			s.mine.submit(page, "username", "bob", "password", password)
		}, []string{"mine"}},
		{"the operator sets a new password", func(s scene) {
			if err := s.server.SetPassword(s.t.Context(), "ada", "drei Fahrräder ohne Klingel 9"); err != nil {
				s.t.Error(err)
			}
		}, both},
		{"the operator disables the person", func(s scene) {
			if err := s.server.DisableUser(s.t.Context(), "ada"); err != nil {
				s.t.Error(err)
			}
		}, both},
		{"the operator or host ends the person", func(s scene) {
			if err := s.server.RevokeSubject(s.t.Context(), s.subject("ada")); err != nil {
				s.t.Error(err)
			}
		}, both},
		{"the host ends the person in its own transaction: a sweep finds it", func(s scene) {
			tx, err := s.pool.Begin(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			if err := s.server.RevokeSubjectTx(s.t.Context(), tx, s.subject("ada")); err != nil {
				s.t.Error(err)
			}
			if err := tx.Commit(s.t.Context()); err != nil {
				s.t.Error(err)
			}
		}, both},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, r := withRelyingParty(t)
			s := scene{harness: h, mine: h.person(), other: h.person()}
			s.token = s.mine.signInAt("openid")
			sids := map[string]string{
				sidOf(t, s.token): "mine", sidOf(t, s.other.signInAt("openid")): "other",
			}

			tt.end(s)

			var got []string
			for range tt.want {
				got = append(got, sids[r.told()])
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("told of: -want +got\n%s", diff)
			}
			h.waitTold(len(tt.want))
			if n := h.count(`session_clients`); n != 2-len(tt.want) {
				t.Errorf("%d clients left in sessions", n)
			}
		})
	}
}

// M-07, M-08: what a client may answer, and that nothing of it is believed or repeated.
func TestRelyingPartiesThatMisbehave(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://elsewhere.example/trap"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		says   string // the log; "" for a success
	}{
		{"megabytes after 200: nobody reads them", func(w http.ResponseWriter, _ *http.Request) {
			for range 64 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, ""},
		{"302", func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, elsewhere, http.StatusFound) }, "status 302"},
		{"500 with words", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "unheard-of", 500) }, "status 500"},
		{"it hangs", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, "Client.Timeout exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, r := withRelyingParty(t)
			r.answer.Store(tt.answer)
			p := h.person()
			p.signInAt("openid")

			p.submit(p.open("/oauth2/logout"), "decision", "allow")

			if tt.says == "" {
				h.waitTold(1)
			} else {
				h.log.await("logout notice not delivered")
			}
			if log := h.log.String(); !strings.Contains(log, tt.says) || strings.Contains(log, "unheard-of") || strings.Contains(log, r.URL) || strings.Contains(log, "elsewhere.example") {
				t.Errorf("the log, where %q was to be and nothing of the answer:\n%s", tt.says, log)
			}
		})
	}
}

// M-07: as for keys, nothing but the open Internet is posted to; and for an issuer on a
// loopback address, http there.
func TestBackchannelAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, issuer string
		start        func(http.Handler) *httptest.Server
		says         string // the log; "" for a success
	}{
		{"https to a loopback address", "", httptest.NewTLSServer, "is not 443 or 8443"},
		{"http to a loopback address, for an issuer on one", "", httptest.NewServer, ""},
		{"http to a loopback address, for an issuer on the Internet", "https://auth.example.com", httptest.NewServer, "not an https URI"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRelyingParty(t, tt.start)
			h := newHarness(t, func(c *authd.Config) {
				c.SignInPages = true
				if r.issuer = c.Issuer; tt.issuer != "" {
					c.Issuer = tt.issuer
				}
			})
			h.registerParty(r)
			_, err := h.pool.Exec(t.Context(), `insert into authd.logout_notices (client_id, subject, family_id) values ('rp', 'ada', gen_random_uuid())`)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.server.RevokeSubject(t.Context(), "somebody"); err != nil { // a hint
				t.Fatal(err)
			}

			if tt.says == "" {
				r.told()
				return
			}
			h.log.await("logout notice not delivered")
			if log := h.log.String(); !strings.Contains(log, tt.says) || r.posts.Load() != 0 {
				t.Errorf("%d posts; the log\n%s", r.posts.Load(), log)
			}
		})
	}
}

// A server that has committed the end of a session and dies has told nobody; another one does.
func TestNoticeOutlivesItsServer(t *testing.T) {
	t.Parallel()
	pool := keystest.Pool(t)
	r := newRelyingParty(t, httptest.NewTLSServer)
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	pages := func(c *authd.Config) { c.SignInPages = true; c.TrustOutbound(roots) }
	dying := newHarnessOn(t, pool, pages)
	r.issuer = dying.http.URL
	dying.registerParty(r)
	if _, err := dying.server.CreateUser(t.Context(), authd.NewUser{Username: "ada", Password: password}); err != nil {
		t.Fatal(err)
	}
	p := dying.person()
	sid := sidOf(t, p.signInAt("openid"))
	_ = dying.server.Close() // requests are answered, and nothing else is done any more
	p.submit(p.open("/oauth2/logout"), "decision", "allow")
	if n := dying.count(`logout_notices where attempts = 0`); n != 1 {
		t.Fatalf("%d notices, want one", n)
	}

	next := newHarnessOn(t, pool, func(c *authd.Config) { pages(c); c.Issuer = dying.http.URL })

	if got := r.told(); got != sid {
		t.Errorf("told of %q, want %q", got, sid)
	}
	next.waitTold(1)
}

// J-28: a resource server refuses a logout token, also one that takes the client for its audience.
func TestResourceServersRefuseLogoutTokens(t *testing.T) {
	t.Parallel()
	h, r := withRelyingParty(t)
	p := h.person()
	token := p.signInAt("openid")
	p.does(p.open("/account"), "sign_out")
	logout := <-r.tokens
	v, err := rs.New(t.Context(), rs.Config{Issuer: h.http.URL, Audience: "rp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })

	if _, err := v.Verify(t.Context(), logout.raw); err == nil {
		t.Error("a logout token was taken")
	}
	if a := h.bearer(http.MethodGet, "/oauth2/userinfo", logout.raw, ""); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d %s", a.status, a.raw)
	}
	if log := h.log.String(); strings.Contains(log, logout.raw[strings.LastIndexByte(logout.raw, '.'):]) || idToken(token) == "" {
		t.Error("the log has the token's signature")
	}
}

// OIDC Back-Channel Logout §2.7: refresh tokens that were meant to outlive the session do, and
// the client is told all the same.
func TestOfflineAccessOutlivesTheSession(t *testing.T) {
	t.Parallel()
	h, r := withRelyingParty(t)
	p := h.person()
	token := p.signInAt("openid", "offline_access")

	p.submit(p.open("/oauth2/logout"), "decision", "allow")

	if got, want := r.told(), sidOf(t, token); got != want {
		t.Errorf("told of %q, want %q", got, want)
	}
	source := h.openID().TokenSource(context.WithValue(t.Context(), oauth2.HTTPClient, h.http.Client()), &oauth2.Token{RefreshToken: token.RefreshToken})
	if next, err := source.Token(); err != nil || sidOf(t, next) != sidOf(t, token) {
		t.Errorf("refresh: %v", fmt.Sprint(err))
	}
}
