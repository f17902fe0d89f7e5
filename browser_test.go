package authd_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

const appCallback = "https://app.example.com/cb"

// person is somebody with a browser, which keeps cookies and follows no redirect by itself.
type person struct {
	*harness
	browser *http.Client
	headers map[string]string // sent with each request
}

// withPages is a server with sign-in in the browser, the public client app and the user ada.
func withPages(t *testing.T) *harness {
	t.Helper()
	return withPagesAnd(t, func(*authd.Config) {})
}

func withPagesAnd(t *testing.T, change func(*authd.Config)) *harness {
	t.Helper()
	h := newHarness(t, func(c *authd.Config) {
		c.SignInPages = true
		change(c)
	})
	h.client(authd.Client{
		ID: "app", AuthMethod: "none", Name: `<b>"Shop" & Söhne</b>`, Scopes: []string{"read", "write"}, RedirectURIs: []string{appCallback},
	})
	for _, name := range []string{"ada", "bob"} {
		if _, err := h.server.CreateUser(t.Context(), authd.NewUser{Username: name, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *harness) person() *person {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &person{harness: h, browser: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p *person) send(method, path string, form url.Values) answer {
	p.t.Helper()
	contentType := ""
	if form != nil {
		contentType = "application/x-www-form-urlencoded"
	}
	r := p.request(method, path, contentType, form.Encode())
	for name, value := range p.headers {
		r.Header.Set(name, value)
	}
	return p.via(r)
}

// via is [harness.do] with the browser's cookies.
func (p *person) via(r *http.Request) answer {
	p.t.Helper()
	res, err := p.browser.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
}

func (p *person) open(path string) answer { p.t.Helper(); return p.send(http.MethodGet, path, nil) }

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
)

// fields are the hidden ones of the page's first form.
func fields(a answer) url.Values {
	v := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(a.raw, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// submit sends the page's form, with pairs of names and values beside the hidden ones.
func (p *person) submit(page answer, pairs ...string) answer {
	p.t.Helper()
	action := formAction.FindStringSubmatch(page.raw)
	if action == nil {
		p.t.Fatalf("no form: %d %s", page.status, page.raw)
	}
	v := fields(page)
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return p.send(http.MethodPost, html.UnescapeString(action[1]), v)
}

// follow opens where a redirect of our own leads.
func (p *person) follow(a answer) answer {
	p.t.Helper()
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
		p.t.Fatalf("no redirect to a page of ours: %d to %q %s", a.status, to, a.raw)
	}
	return p.open(to)
}

// back reads the answer that the client gets.
func (p *person) back(a answer) url.Values {
	p.t.Helper()
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(to, appCallback+"?") {
		p.t.Fatalf("no redirect to the client: %d to %q %s", a.status, to, a.raw)
	}
	u, err := url.Parse(to)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query()
}

// config is of client app, with golang.org/x/oauth2, which nobody here wrote.
func (h *harness) config(scopes ...string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: "app", RedirectURL: appCallback, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: "/oauth2/authorize", TokenURL: h.http.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// request is what the client asks for; state and verifier are its own.
func authorizeURL(h *harness, state, verifier string, more ...oauth2.AuthCodeOption) string {
	return h.config("read").AuthCodeURL(state, append(more, oauth2.S256ChallengeOption(verifier))...)
}

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

func (p *person) base() *url.URL {
	p.t.Helper()
	u, err := url.Parse(p.http.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

// signedIn goes as far as the consent page.
func (p *person) signedIn(name string) (consent answer) {
	p.t.Helper()
	page := p.follow(p.open(authorizeURL(p.harness, "s", strings.Repeat("v", 43))))
	return p.follow(p.submit(page, "username", name, "password", password))
}

// RFC 6749 §4.1.2.1: a page, of which nothing is anybody's markup, and no redirect.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	good := authorizeURL(h, "s", strings.Repeat("v", 43))
	tests := []struct {
		name, path string
		want       int
	}{
		{"unknown client", strings.Replace(good, "client_id=app", "client_id=%3Cscript%3E", 1), 400},
		{"another redirect URI", strings.Replace(good, "app.example.com", "evil.example", 1), 400},
		{"a request that is over", "/login?request=x", 400},
		{"no request, W-15", "/consent", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := p.open(tt.path)

			if a.status != tt.want || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("got %d to %q, %s", a.status, a.header.Get("Location"), a.header.Get("Content-Type"))
			}
			if strings.Contains(a.raw, "<script>") || !strings.Contains(a.raw, a.header.Get("X-Request-Id")) {
				t.Errorf("page %s", a.raw)
			}
		})
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

// W-05, A-20: what changes something is no HEAD, and nobody else's page may call it.
func TestAuthorizeByOtherMethods(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	u := authorizeURL(h, "s", strings.Repeat("v", 43))
	for _, path := range []string{u, "/login", "/consent", "/account"} {
		if a := p.send(http.MethodHead, path, nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Set-Cookie") != "" {
			t.Errorf("HEAD %s: %d", path, a.status)
		}
	}
	// Nor does a GET do what a form does.
	consent := p.signedIn("ada")
	id := url.QueryEscape(fields(consent).Get("request"))
	again := p.open("/consent?request=" + id + "&approve=1&decision=allow&form_token=" + url.QueryEscape(fields(consent).Get("form_token")))
	if again.status != http.StatusOK || !strings.Contains(again.raw, `name="decision"`) {
		t.Errorf("GET of the consent: %d to %q", again.status, again.header.Get("Location"))
	}
	if list, err := h.server.Consents(t.Context(), h.subject("ada")); err != nil || len(list) != 0 {
		t.Errorf("consents %+v, %v", list, err)
	}
	p.headers = map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
	for _, method := range []string{http.MethodOptions, http.MethodGet} {
		if a := p.send(method, u, nil); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: CORS headers %v", method, a.header)
		}
	}
	if a := p.send(http.MethodOptions, "/oauth2/authorize", nil); a.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
}

// OIDC Core §3.1.2.1: by POST it is the same, and a repeated parameter is still repeated.
func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	p.headers = map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.com"}
	_, query, _ := strings.Cut(authorizeURL(h, "a b+c", strings.Repeat("v", 43), oauth2.SetAuthURLParam("prompt", "none")), "?")
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}

	if got := p.back(p.follow(p.send(http.MethodPost, "/oauth2/authorize", v))); got.Get("error") != "login_required" || got.Get("state") != "a b+c" {
		t.Errorf("got %v", got)
	}
	v.Add("state", "2")
	if got := p.back(p.follow(p.send(http.MethodPost, "/oauth2/authorize", v))); got.Get("error") != "invalid_request" || got.Has("state") {
		t.Errorf("state twice: %v", got)
	}
	v.Set("state", strings.Repeat("%", 5000))
	if a := p.send(http.MethodPost, "/oauth2/authorize", v); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("15 KiB: %d", a.status)
	}
}

// Form Post Response Mode: the answer is a form, and stands in no address.
func TestFormPost(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()

	a := p.open(authorizeURL(h, `"><script>`, strings.Repeat("v", 43), oauth2.SetAuthURLParam("response_mode", "form_post"), oauth2.SetAuthURLParam("prompt", "none")))

	got := fields(a)
	if a.status != 200 || a.header.Get("Location") != "" || got.Get("error") != "login_required" || got.Get("state") != `"><script>` || got.Get("iss") != h.http.URL {
		t.Errorf("%d, fields %v", a.status, got)
	}
	if action := formAction.FindStringSubmatch(a.raw); action == nil || action[1] != appCallback || strings.Contains(a.raw, `"><script>`) {
		t.Errorf("page %s", a.raw)
	}
}

// B-10: a person whom the throttle holds back is held back here, too, and told so.
func TestSignInPageIsThrottled(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	page := p.follow(p.open(authorizeURL(h, "s", strings.Repeat("v", 43))))
	for range 6 {
		page = p.submit(page, "username", "ada", "password", "wrong")
	}

	a := p.submit(page, "username", "ada", "password", password)

	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
}

func TestPagesThatAreOff(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, path := range []string{"/oauth2/authorize", "/login", "/consent", "/account", "/register", "/signed-out"} {
		h.do(h.request(http.MethodGet, path, "", "")).want(t, 404, "not_found")
	}
	h.form("/oauth2/token", "", "", "grant_type", "authorization_code", "client_id", "app", "code", "x").want(t, 400, "unsupported_grant_type")
	off := h.do(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")).body
	on := withPages(t)
	have := on.do(on.request(http.MethodGet, "/.well-known/oauth-authorization-server", "", "")).body
	for _, member := range []string{
		"authorization_endpoint", "response_types_supported", "response_modes_supported", "code_challenge_methods_supported",
		"authorization_response_iss_parameter_supported", "request_uri_parameter_supported",
	} {
		if off[member] != nil || have[member] == nil {
			t.Errorf("%s is %v off and %v on", member, off[member], have[member])
		}
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
