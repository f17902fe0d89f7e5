package authd_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd/internal/dbtest"
)

// A person signs in, consents, and the client gets tokens that refresh.
func TestSignInInTheBrowser(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	const state = "a&b=c+%25 \"é<script>"
	verifier := oauth2.GenerateVerifier()

	signIn := p.follow(p.open(authorizeURL(h, state, verifier)))
	wrong := p.submit(signIn, "username", "ada", "password", "not it")
	if wrong.status != http.StatusBadRequest || !strings.Contains(wrong.raw, `value="ada"`) {
		t.Errorf("a wrong password: %d %s", wrong.status, wrong.raw)
	}
	consent := p.follow(p.submit(wrong, "username", "ada", "password", password))
	got := p.back(p.submit(consent, "decision", "allow"))

	if got.Get("state") != state || got.Get("iss") != h.http.URL || got.Has("error") {
		t.Errorf("answer %v", got)
	}
	token, err := h.config().Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.config().TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || again.RefreshToken == token.RefreshToken {
		t.Errorf("refresh: %v", err)
	}
	if at := part(t, token.AccessToken, 1); at["client_id"] != "app" || at["scope"] != "read" || at["sid"] == nil || at["auth_time"] == nil {
		t.Errorf("claims %v", at)
	}
	for name, secret := range map[string]string{"password": password, "code": got.Get("code"), "verifier": verifier, "request": fields(signIn).Get("request")} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
	for _, c := range p.browser.Jar.Cookies(p.base()) {
		if strings.Contains(h.log.String(), c.Value) {
			t.Errorf("the log holds the cookie %s", c.Name)
		}
	}
	// Signed in and consented: the next answer needs nobody.
	if got := p.back(p.open(authorizeURL(h, "2", verifier, oauth2.SetAuthURLParam("prompt", "none")))); !got.Has("code") || got.Get("state") != "2" {
		t.Errorf("the second time: %v", got)
	}
}

// W-08, W-14: what each page says of itself, and that names are text.
func TestPagesAreSafe(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	signIn := p.follow(p.open(authorizeURL(h, "s", strings.Repeat("v", 43), oauth2.SetAuthURLParam("login_hint", `"><script>`))))
	consent := p.follow(p.submit(signIn, "username", "ada", "password", password))
	for name, a := range map[string]answer{"sign in": signIn, "consent": consent, "error": p.open("/login?request=x"), "account": p.open("/account"), "signed out": p.open("/signed-out")} {
		if strings.Contains(a.raw, "<script") || strings.Contains(a.raw, "<b>") {
			t.Errorf("%s: somebody's markup: %s", name, a.raw)
		}
		csp := a.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") ||
			strings.Contains(csp, "form-action") { // which would stop the redirect to the client, W-07
			t.Errorf("%s: policy %s", name, csp)
		}
		if a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", name, a.header)
		}
	}
}

// B-02, B-10: who is disabled cannot sign in here, is told what everybody is told, and what
// they have signed in to before is over.
func TestDisabledPersonInTheBrowser(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	consent := p.signedIn("ada")
	if err := h.server.DisableUser(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}

	login := p.follow(p.submit(consent, "decision", "allow"))
	disabled := p.submit(login, "username", "ada", "password", password)
	wrong := p.submit(login, "username", "ada", "password", "wrong")
	nobody := p.submit(login, "username", "nobody", "password", "wrong")

	if disabled.status != http.StatusBadRequest || disabled.raw != wrong.raw || strings.ReplaceAll(nobody.raw, "nobody", "ada") != wrong.raw {
		t.Errorf("answers differ: %d %d %d", disabled.status, wrong.status, nobody.status)
	}
}

// W-03: a form that another site sends signs nobody in, whether the browser says whose it is
// or not.
func TestFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		headers map[string]string
		change  func(url.Values)
		want    int
	}{
		{"our own page", map[string]string{"Sec-Fetch-Site": "same-origin"}, func(url.Values) {}, 303},
		{"a browser that says nothing", nil, func(url.Values) {}, 303},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, func(url.Values) {}, 403},
		{"a subdomain", map[string]string{"Sec-Fetch-Site": "same-site"}, func(url.Values) {}, 403},
		{"an old browser at another site", map[string]string{"Origin": "https://evil.example"}, func(url.Values) {}, 403},
		{"no token", nil, func(v url.Values) { v.Del("form_token") }, 403},
		{"a wrong token", nil, func(v url.Values) { v.Set("form_token", strings.Repeat("A", 43)) }, 403},
		{"another request's token, A-22", nil, func(v url.Values) { v.Set("request", strings.Repeat("A", 43)) }, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := withPages(t)
			p := h.person()
			v := fields(p.follow(p.open(authorizeURL(h, "s", strings.Repeat("v", 43)))))
			v.Set("username", "ada")
			v.Set("password", password)
			tt.change(v)
			p.headers = tt.headers

			a := p.send(http.MethodPost, "/login", v)

			if a.status != tt.want {
				t.Errorf("got %d, want %d", a.status, tt.want)
			}
			if signedIn := strings.Contains(strings.Join(a.header["Set-Cookie"], " "), "authd_session"); signedIn != (tt.want == 303) {
				t.Errorf("signed in: %t", signedIn)
			}
		})
	}
}

// consent is given on the page, to what is parked, and once.
func TestConsentForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(url.Values)
		granted bool
	}{
		{"as the page has it", func(url.Values) {}, true},
		{"with other parameters, which are not looked at", func(v url.Values) {
			v.Set("scope", "read write")
			v.Set("client_id", "other")
			v.Set("redirect_uri", "https://evil.example")
			v.Set("username", "bob")
		}, true},
		{"without the page's token: the page is shown again", func(v url.Values) { v.Del("form_token") }, false},
		{"with the token of another request", func(v url.Values) { v.Set("request", strings.Repeat("A", 43)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := withPages(t)
			p := h.person()
			v := fields(p.signedIn("ada"))
			v.Set("decision", "allow")
			tt.change(v)

			a := p.send(http.MethodPost, "/consent", v)

			if !tt.granted {
				if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, "/consent?") {
					t.Errorf("got %d to %q", a.status, to)
				}
				return
			}
			token, err := h.config().Exchange(t.Context(), p.back(a).Get("code"), oauth2.VerifierOption(strings.Repeat("v", 43)))
			if err != nil {
				t.Fatal(err)
			}
			if scope := part(t, token.AccessToken, 1)["scope"]; scope != "read" {
				t.Errorf("scope %v", scope)
			}
			if a := p.send(http.MethodPost, "/consent", v); a.status != 400 {
				t.Errorf("a second time: %d to %q", a.status, a.header.Get("Location"))
			}
		})
	}
}

// who approves is who the page named.
func TestAccountSwitchBeforeConsent(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	adas := p.signedIn("ada")
	login := p.follow(p.submit(adas, "decision", "switch"))
	bobs := p.follow(p.submit(login, "username", "bob", "password", password))

	shownAgain := p.follow(p.submit(adas, "decision", "allow"))

	if !strings.Contains(bobs.raw, "bob") || !strings.Contains(shownAgain.raw, "bob") || strings.Contains(shownAgain.raw, "ada") {
		t.Errorf("the page says %s", shownAgain.raw)
	}
	if got := p.back(p.submit(shownAgain, "decision", "deny")); got.Get("error") != "access_denied" || got.Get("state") != "s" || got.Has("code") {
		t.Errorf("denied: %v", got)
	}
}

// Two tabs: whoever has signed in in one of them goes on in the other.
func TestSecondTab(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	first := p.open(authorizeURL(h, "1", strings.Repeat("v", 43)))
	second := p.open(authorizeURL(h, "2", strings.Repeat("v", 43)))

	consent := p.follow(p.submit(p.follow(first), "username", "ada", "password", password))
	one := p.back(p.submit(consent, "decision", "allow"))
	two := p.back(p.follow(second))

	if one.Get("state") != "1" || two.Get("state") != "2" || !one.Has("code") || !two.Has("code") {
		t.Errorf("answers %v and %v", one, two)
	}
}

// B-10: a person whom the throttle holds back is held back here, too, and told so.
func TestSignInPageIsThrottled(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	page := p.follow(p.open(authorizeURL(h, "s", strings.Repeat("v", 43))))
	dbtest.StopClock(t, h.pool, time.Now()) // no wait of the throttle ends
	for range 6 {
		page = p.submit(page, "username", "ada", "password", "wrong")
	}

	a := p.submit(page, "username", "ada", "password", password)

	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
}

// B-11: somebody who fails on purpose, from wherever, does not keep people out of the browser
// in which they have signed in before.
func TestLockedOutElsewhere(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p, attacker := h.person(), h.person()
	p.does(p.home("ada", password), "sign_out")
	page := attacker.follow(attacker.open("/account"))
	dbtest.StopClock(t, h.pool, time.Now()) // no wait of the throttle ends
	for range 6 {
		attacker.submit(page, "username", "ada", "password", "wrong")
	}

	if a := attacker.submit(page, "username", "ada", "password", password); a.status != http.StatusTooManyRequests {
		t.Errorf("elsewhere: %d", a.status)
	}
	if a := p.home("ada", password); a.status != http.StatusOK {
		t.Errorf("in the own browser: %d", a.status)
	}
	const next = "four quite unrelated words"
	form := []string{passwordFields[0], password, passwordFields[1], next, passwordFields[2], next}
	if a := p.follow(p.does(p.open("/account"), "password", form...)); !strings.Contains(a.raw, "Your password is changed.") {
		t.Errorf("a new password: %s", a.raw)
	}
}
