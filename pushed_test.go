package authd_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

// pushFields are the parameters of a good request, to be pushed.
func pushFields(verifier string, more ...string) []string {
	return append([]string{
		"response_type", "code", "redirect_uri", appCallback, "scope", "read", "state", "s",
		"code_challenge", oauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method", "S256",
	}, more...)
}

// RFC 9126, by each way in which a client authenticates: push, sign in, consent, redeem.
func TestPushedRequestByEachClient(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	pair := newKeyPair(t, "1")
	code := []string{"authorization_code"}
	secrets := map[string]string{}
	for id, method := range map[string]string{"basic": "client_secret_basic", "post": "client_secret_post", "signer": "private_key_jwt"} {
		c := authd.Client{ID: id, AuthMethod: method, GrantTypes: code, Scopes: []string{"read"}, RedirectURIs: []string{appCallback}}
		if method == "private_key_jwt" {
			c.JWKS = jwksOf(t, pair)
		}
		secrets[id] = h.client(c)
	}
	tests := []struct {
		client string
		call   func(path string, fields ...string) answer
	}{
		{"basic", func(path string, fields ...string) answer { return h.form(path, "basic", secrets["basic"], fields...) }},
		{"post", func(path string, fields ...string) answer {
			return h.form(path, "", "", append(fields, "client_id", "post", "client_secret", secrets["post"])...)
		}},
		{"signer", func(path string, fields ...string) answer { // RFC 9126 §2: aud may be the endpoint
			return h.form(path, "", "", append(fields, asserted(pair.assertion(t, "signer", h.http.URL+"/oauth2/par"))...)...)
		}},
		{"app", func(path string, fields ...string) answer {
			return h.form(path, "", "", append(fields, "client_id", "app")...)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.client, func(t *testing.T) {
			p, verifier := h.person(), oauth2.GenerateVerifier()

			pushed := tt.call("/oauth2/par", pushFields(verifier)...).want(t, http.StatusCreated, "")
			uri := pushed.str("request_uri")
			at := "/oauth2/authorize?" + url.Values{"client_id": {tt.client}, "request_uri": {uri}}.Encode()
			signIn := p.follow(p.open(at))
			reloaded := p.follow(p.open(at))
			consent := p.follow(p.submit(signIn, "username", "ada", "password", password))
			got := p.back(p.submit(consent, "decision", "allow"))
			tokens := tt.call("/oauth2/token", "grant_type", "authorization_code", "code", got.Get("code"),
				"redirect_uri", appCallback, "code_verifier", verifier).want(t, 200, "")

			if pushed.header.Get("Cache-Control") != "no-store" || pushed.body["expires_in"] != 90.0 {
				t.Errorf("pushed: %v %s", pushed.header, pushed.raw)
			}
			if fields(reloaded).Get("request") != fields(signIn).Get("request") {
				t.Error("a reload began another sign-in")
			}
			if got.Get("state") != "s" || got.Get("iss") != h.http.URL || claim(t, tokens, "client_id") != tt.client {
				t.Errorf("answer %v", got)
			}
			for name, a := range map[string]answer{"again": p.open(at), "in another browser": h.person().open(at)} {
				if a.status != 400 || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
					t.Errorf("%s: %d to %q", name, a.status, a.header.Get("Location"))
				}
			}
			if strings.Contains(h.log.String(), strings.TrimPrefix(uri, "urn:ietf:params:oauth:request_uri:")) {
				t.Error("the log holds the request_uri")
			}
		})
	}
}

// RFC 9126 §6, as it is registered.
func TestRequirePushedRequestsRegistered(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	h.client(authd.Client{
		ID: "strict", AuthMethod: "none", Scopes: []string{"read"}, RedirectURIs: []string{appCallback}, RequirePushedRequests: true,
	})
	cfg, p := h.config("read"), h.person()
	cfg.ClientID = "strict"

	got := p.back(p.open(cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))))

	if got.Get("error") != "invalid_request" || got.Get("state") != "s" || !strings.Contains(got.Get("error_description"), "push") {
		t.Errorf("answer %v", got)
	}
	pushed := h.form("/oauth2/par", "", "", pushFields(oauth2.GenerateVerifier(), "client_id", "strict")...).want(t, http.StatusCreated, "")
	a := p.open("/oauth2/authorize?" + url.Values{"client_id": {"strict"}, "request_uri": {pushed.str("request_uri")}}.Encode())
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/login?") {
		t.Errorf("pushed: %d to %q", a.status, a.header.Get("Location"))
	}
}
