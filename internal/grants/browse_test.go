package grants_test

import (
	"context"
	"maps"
	"net/url"
	"testing"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

const (
	callback  = "https://spa.example/cb"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// withBrowser adds the clients spa (public) and web (confidential), which people know by
// their browser.
func withBrowser(t *testing.T) *fixture {
	t.Helper()
	f := setup(t)
	f.registerBrowser()
	return f
}

func (f *fixture) registerBrowser() {
	grantTypes := []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken}
	f.register(oauth.Client{
		ID: "spa", AuthMethod: oauth.AuthNone, GrantTypes: grantTypes, Scopes: oauth.Scopes{"read", "write", "openid"},
		RedirectURIs: []string{callback}, Audiences: []string{"https://api.example", "https://other.example"},
	})
	f.webSecret = f.register(oauth.Client{
		ID: "web", GrantTypes: grantTypes, Scopes: oauth.Scopes{"read", "openid"}, RedirectURIs: []string{callback},
	})
}

func (f *fixture) web() tokens.Caller { return basic(f.t, "web", f.webSecret) }

// request is a good one of client spa; more changes it, and "" leaves a parameter out.
func request(more map[string]string) string {
	all := map[string]string{
		"response_type": "code", "client_id": "spa", "redirect_uri": callback, "state": "s", "scope": "read",
		"code_challenge": challenge, "code_challenge_method": "S256",
	}
	maps.Copy(all, more)
	values := make(url.Values)
	for name, value := range all {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values.Encode()
}

// newBrowser is one in which nobody is signed in.
func newBrowser(t *testing.T) grants.Browser {
	t.Helper()
	id, err := oauth.NewSecret(random{})
	if err != nil {
		t.Fatal(err)
	}
	return grants.Browser{ID: id.Text}
}

func (f *fixture) authorize(b grants.Browser, more map[string]string) grants.Next {
	f.t.Helper()
	next, err := f.grants.Authorize(f.t.Context(), request(more), b)
	if err != nil {
		f.t.Fatal(err)
	}
	return next
}

// signIn signs somebody in for a request that waits for it.
func (f *fixture) signIn(b *grants.Browser, id, subject string) grants.Next {
	f.t.Helper()
	next, session, err := f.grants.SignInBrowser(f.t.Context(), id, *b, subject, "")
	if err != nil || session == "" {
		f.t.Fatalf("session %q: %v", session, err)
	}
	b.Session = session
	return next
}

// signedIn is a browser in which somebody is signed in.
func (f *fixture) signedIn(subject string) grants.Browser {
	f.t.Helper()
	b := newBrowser(f.t)
	f.signIn(&b, f.authorize(b, nil).ID, subject)
	return b
}

// answered goes on to the answer, allowing everything.
func (f *fixture) answered(b grants.Browser, next grants.Next) *oauth.AuthorizationAnswer {
	f.t.Helper()
	if next.Step == grants.StepConsent {
		var err error
		if next, err = f.grants.Consent(f.t.Context(), next.ID, b, true); err != nil {
			f.t.Fatal(err)
		}
	}
	if next.Step != grants.StepAnswer {
		f.t.Fatalf("step %d, want the answer", next.Step)
	}
	return next.Answer
}

// param is "" where the answer has none.
func param(a *oauth.AuthorizationAnswer, name string) string {
	for _, p := range a.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// code is one for ada, at client spa unless more says otherwise.
func (f *fixture) code(more map[string]string) string {
	f.t.Helper()
	return f.codeIn(f.signedIn("ada"), more)
}

func (f *fixture) codeIn(b grants.Browser, more map[string]string) string {
	f.t.Helper()
	a := f.answered(b, f.authorize(b, more))
	code := param(a, "code")
	if code == "" {
		f.t.Fatalf("no code: %v", a.Refusal)
	}
	return code
}

// redemption is the good one of a code at client spa.
func redemption(code string, more map[string]string) oauth.Form {
	form := oauth.Form{"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
	maps.Copy(form, more)
	for name, value := range form {
		if value == "" {
			delete(form, name)
		}
	}
	return form
}

func (f *fixture) redeem(ctx context.Context, code string, more map[string]string) (grants.Response, error) {
	return f.grants.Token(ctx, asPublic("spa"), redemption(code, more), oauth.Device{})
}

func (f *fixture) mustRedeem(code string) grants.Response {
	f.t.Helper()
	r, err := f.redeem(f.t.Context(), code, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// count is of rows.
func (f *fixture) count(sql string, args ...any) (n int) {
	f.t.Helper()
	if err := f.pool.QueryRow(f.t.Context(), `select count(*) from authd.`+sql, args...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}
