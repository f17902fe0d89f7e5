package authd_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
)

var passwordFields = []string{"current_password", "new_password", "password_again"}

// home signs a person in for their account, and returns its page.
func (p *person) home(name, password string) answer {
	p.t.Helper()
	return p.follow(p.submit(p.follow(p.open("/account")), "username", name, "password", password))
}

// does sends a form of the account page, with pairs of names and values.
func (p *person) does(page answer, do string, pairs ...string) answer {
	p.t.Helper()
	v := url.Values{"form_token": {fields(page).Get("form_token")}, "do": {do}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return p.send(http.MethodPost, "/account", v)
}

// app gets tokens for client app by the browser, consenting where asked.
func (p *person) app() *oauth2.Token {
	p.t.Helper()
	verifier := oauth2.GenerateVerifier()
	a := p.open(authorizeURL(p.harness, "s", verifier))
	if strings.HasPrefix(a.header.Get("Location"), "/consent") {
		a = p.submit(p.follow(a), "decision", "allow")
	}
	token, err := p.config().Exchange(p.t.Context(), p.back(a).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// refreshes reports whether the refresh token still works.
func (h *harness) refreshes(token *oauth2.Token) bool {
	h.t.Helper()
	_, err := h.config().TokenSource(h.t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	return err == nil
}

// signedIn reports whether somebody is signed in in the browser.
func (p *person) isSignedIn() bool { p.t.Helper(); return p.open("/account").status == http.StatusOK }

var deviceID = regexp.MustCompile(`name="id" value="([^"]*)"`)

// ids are those of the devices that can be ended, and of the apps.
func ids(a answer) (list []string) {
	for _, m := range deviceID.FindAllStringSubmatch(a.raw, -1) {
		list = append(list, m[1])
	}
	return list
}

func (h *harness) sessions() (n int) {
	h.t.Helper()
	if err := h.pool.QueryRow(h.t.Context(), `select count(*) from authd.sessions`).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// W-09: a sign-in of no request leads to the account, whatever an address says.
func TestSignInOfNoRequest(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	for _, path := range []string{"/account", "/login", "/login?return_to=//evil.example", "/login?continue=https:evil.example&next=/%5Cevil"} {
		p := h.person()
		page := p.open(path)
		if path == "/account" {
			page = p.follow(page)
		}
		v := fields(page)
		for _, name := range []string{"return_to", "next", "continue", "redirect_uri"} {
			v.Set(name, "//evil.example")
		}
		v.Set("username", "ada")
		v.Set("password", password)

		a := p.send(http.MethodPost, "/login", v)

		if page.status != 200 || strings.Contains(page.raw, "evil") || a.status != 303 || a.header.Get("Location") != "/account" {
			t.Errorf("%s: %d, then %d to %q", path, page.status, a.status, a.header.Get("Location"))
		}
		if home := p.follow(a); home.status != 200 || !strings.Contains(home.raw, "ada") {
			t.Errorf("%s: account %d", path, home.status)
		}
	}
}

// W-02: the session that a sign-in makes is new, and the one before is over.
func TestSignInOfNoRequestMakesANewSession(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	p.home("ada", password)
	before := p.cookie("authd_session")

	p.submit(p.open("/login"), "username", "ada", "password", password)

	if after := p.cookie("authd_session"); after == before || after == "" || h.sessions() != 1 {
		t.Errorf("same session: %t, sessions: %d", after == before, h.sessions())
	}
}

func (p *person) cookie(name string) string {
	p.t.Helper()
	u, err := url.Parse(p.http.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range p.browser.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// W-19: people see where they are signed in, and end one or all others, at once.
func TestAccountPage(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	here, there := h.person(), h.person()
	there.headers = map[string]string{"User-Agent": "<b>Phone</b>"}
	there.home("ada", password)
	h.person().home("bob", password)
	here.home("ada", password)
	phone, shop := there.app(), here.app()

	page := here.open("/account")
	if got := ids(page); len(got) != 4 || got[3] != "app" { // there, two families; the app's consent
		t.Fatalf("ids %v in %s", got, page.raw)
	}
	if strings.Contains(page.raw, "<b>") || !strings.Contains(page.raw, "This device") || page.header.Get("Cross-Origin-Opener-Policy") != "same-origin" {
		t.Errorf("page %v %s", page.header, page.raw)
	}

	if strings.Index(page.raw, "This device") > strings.Index(page.raw, `name="id"`) {
		t.Errorf("another device stands first: %s", page.raw)
	}
	first := here.does(page, "end", "id", ids(page)[0])
	if done := here.follow(first); !strings.Contains(done.raw, "That device is signed out.") || there.isSignedIn() {
		t.Errorf("ended one: %s", done.raw)
	}
	if !h.refreshes(phone) {
		t.Error("a family ended with a session")
	}
	there.home("ada", password)
	if done := here.follow(here.does(page, "end_others")); !strings.Contains(done.raw, "All others are signed out.") || len(ids(done)) != 1 {
		t.Errorf("ended others: %s", done.raw)
	}
	if there.isSignedIn() || !here.isSignedIn() || h.refreshes(phone) || h.refreshes(shop) {
		t.Errorf("there %t, here %t", there.isSignedIn(), here.isSignedIn())
	}
	if n := h.sessions(); n != 2 { // here, and bob's
		t.Errorf("%d sessions", n)
	}
}

// To take an app's access back ends its families, and it has to ask again.
func TestAccountRemovesAConsent(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()
	p.home("ada", password)
	token := p.app()
	verifier := oauth2.GenerateVerifier()
	unused := p.back(p.open(authorizeURL(h, "s", verifier))).Get("code")

	done := p.follow(p.does(p.open("/account"), "remove", "id", "app"))

	if !strings.Contains(done.raw, "The access is removed.") || strings.Contains(done.raw, "Apps with access") {
		t.Errorf("page %s", done.raw)
	}
	if h.refreshes(token) {
		t.Error("a family lives on")
	}
	if _, err := h.config().Exchange(t.Context(), unused, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code from before still works")
	}
	if to := p.open(authorizeURL(h, "s", verifier)).header.Get("Location"); !strings.HasPrefix(to, "/consent") {
		t.Errorf("the app is sent to %q", to)
	}
}

// Nothing happens but what the person whose page it is asked for on it: W-03, W-05, W-19.
func TestAccountForms(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p, bob := h.person(), h.person()
	other := h.person()
	other.home("ada", password)
	page := p.home("ada", password)
	bobs := bob.home("bob", password)
	bob.app()
	bobsFamily := ids(bob.open("/account"))[0]
	var bobsSession string
	if err := h.pool.QueryRow(t.Context(), `select encode(sha256, 'hex') from authd.sessions where username = 'bob'`).Scan(&bobsSession); err != nil {
		t.Fatal(err)
	}
	token := fields(page).Get("form_token")
	tests := []struct {
		name    string
		form    url.Values
		headers map[string]string
		want    int
	}{
		{"no token", url.Values{"do": {"end_others"}}, nil, 403},
		{"another person's token", url.Values{"do": {"end_others"}, "form_token": {fields(bobs).Get("form_token")}}, nil, 403},
		{"from another site", url.Values{"do": {"end_others"}, "form_token": {token}}, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"from a subdomain", url.Values{"do": {"end_others"}, "form_token": {token}}, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"something else", url.Values{"do": {"everything"}, "form_token": {token}}, nil, 400},
		{"another person's session", url.Values{"do": {"end"}, "id": {bobsSession}, "form_token": {token}}, nil, 303},
		{"another person's family", url.Values{"do": {"end"}, "id": {bobsFamily}, "form_token": {token}}, nil, 303},
		{"an app that has none", url.Values{"do": {"remove"}, "id": {"nobody"}, "form_token": {token}}, nil, 303},
		{"no app", url.Values{"do": {"remove"}, "form_token": {token}}, nil, 303},
	}
	for _, tt := range tests {
		p.headers = tt.headers
		if a := p.send(http.MethodPost, "/account", tt.form); a.status != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, a.status, tt.want)
		}
	}
	p.headers = nil
	p.open("/account?do=end_others&form_token=" + token)
	if forged := p.open("/account?done=password_changed"); strings.Contains(forged.raw, "is changed") {
		t.Errorf("a link tells what was not done: %s", forged.raw)
	}

	if !p.isSignedIn() || !other.isSignedIn() || !bob.isSignedIn() || len(ids(bob.open("/account"))) != 2 {
		t.Error("something was ended")
	}
}

// Ending others takes a recent sign-in, as with tokens; ending oneself does not (W-19).
func TestEndingOthersTakesARecentSignIn(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p, other := h.person(), h.person()
	other.home("ada", password)
	p.home("ada", password)
	token := p.app()
	dbtest.SetClock(t, h.pool, 10*time.Minute)
	page := p.open("/account")
	list := ids(page)
	for _, form := range [][]string{{"end", "id", list[0]}, {"end", "id", list[1]}, {"end_others"}, {"remove", "id", "app"}} {
		a := p.does(page, form[0], form[1:]...)
		if a.status != 403 || !strings.Contains(a.raw, "you have to sign in again") || !strings.Contains(a.raw, `value="ada"`) || !strings.Contains(a.raw, `action="/login"`) {
			t.Errorf("%v: %d %s", form, a.status, a.raw)
		}
	}
	if !other.isSignedIn() || !h.refreshes(token) || len(ids(p.open("/account"))) != 3 {
		t.Error("something was ended")
	}

	asked := p.does(page, "end_others")
	home := p.follow(p.submit(asked, "username", "ada", "password", password))
	if done := p.follow(p.does(home, "end_others")); !strings.Contains(done.raw, "All others") || other.isSignedIn() {
		t.Errorf("after the sign-in: %s", done.raw)
	}
	dbtest.SetClock(t, h.pool, 30*time.Minute)
	if out := p.follow(p.does(home, "sign_out")); !strings.Contains(out.raw, "You are signed out") || p.isSignedIn() || h.sessions() != 0 {
		t.Errorf("signed out: %s", out.raw)
	}
}

// A new password ends all that was signed in, and this browser goes on in a new session.
func TestPasswordOnThePage(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p, other := h.person(), h.person()
	other.home("ada", password)
	page := p.home("ada", password)
	token := p.app()
	before := p.cookie("authd_session")
	const next = "four quite unrelated words"

	done := p.follow(p.does(page, "password", passwordFields[0], password, passwordFields[1], next, passwordFields[2], next))

	if !strings.Contains(done.raw, "Your password is changed.") || p.cookie("authd_session") == before || !p.isSignedIn() {
		t.Errorf("page %s", done.raw)
	}
	if other.isSignedIn() || h.refreshes(token) {
		t.Error("what was signed in before lives on")
	}
	old := h.person()
	if err := old.keep("authd_session", before); err != nil || old.isSignedIn() {
		t.Errorf("the old session lives on, %v", err)
	}
	if a := h.person().home("ada", next); a.status != 200 {
		t.Errorf("with the new password: %d", a.status)
	}
}

func (p *person) keep(name, value string) error {
	u, err := url.Parse(p.http.URL)
	if err == nil {
		p.browser.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
	}
	return err
}

// B-14, B-10: what is refused changes nothing, and says at which field.
func TestPasswordOnThePageIsRefused(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	const good = "four quite unrelated words"
	tests := []struct {
		name   string
		fields [3]string // current, new, again
		want   int
		text   string
	}{
		{"a wrong current one", [3]string{"wrong", good, good}, 400, "The current password is wrong."},
		{"a weak one", [3]string{password, "password", "password"}, 400, "too short or too easy"},
		{"not twice the same", [3]string{password, good, good + "s"}, 400, "not the same"},
		{"no current one", [3]string{"", good, good}, 400, "Fill in all fields."},
		{"no new one", [3]string{password, "", ""}, 400, "Fill in all fields."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := h.person()
			page := p.home("bob", password)

			a := p.does(page, "password", passwordFields[0], tt.fields[0], passwordFields[1], tt.fields[1], passwordFields[2], tt.fields[2])

			if a.status != tt.want || !strings.Contains(a.raw, tt.text) || !p.isSignedIn() || strings.Contains(a.raw, good) {
				t.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
	t.Run("more than five guesses", func(t *testing.T) {
		t.Parallel()
		p := h.person()
		page := p.home("ada", password)
		dbtest.StopClock(t, h.pool, time.Now()) // no wait of the throttle ends
		for range 5 {
			p.does(page, "password", passwordFields[0], "wrong", passwordFields[1], good, passwordFields[2], good)
		}

		p.does(page, "password", passwordFields[0], "wrong", passwordFields[1], good, passwordFields[2], good)
		a := p.does(page, "password", passwordFields[0], password, passwordFields[1], good, passwordFields[2], good)

		if a.status != 429 || a.header.Get("Retry-After") == "" || !strings.Contains(a.raw, "Too many attempts.") {
			t.Errorf("%d %s", a.status, a.raw)
		}
	})
}

// W-13: who is ended or disabled is nobody on the next request.
func TestAccountOfTheEnded(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	tests := []struct {
		name string
		end  func(subject string) error
	}{
		{"ended", func(subject string) error { return h.server.RevokeSubject(t.Context(), subject) }},
		{"disabled", func(string) error { return h.server.DisableUser(t.Context(), "ada") }},
	}
	for _, tt := range tests {
		p := h.person()
		page := p.home("ada", password)
		users, err := h.server.Users(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(users, func(u authd.User) bool { return u.Username == "ada" })
		if err := tt.end(users[i].Subject); err != nil {
			t.Fatal(err)
		}

		for _, a := range []answer{p.open("/account"), p.does(page, "end_others"), p.does(page, "password", passwordFields[0], password, passwordFields[1], "x", passwordFields[2], "x")} {
			if a.status != 303 || a.header.Get("Location") != "/login" {
				t.Errorf("%s: %d to %q", tt.name, a.status, a.header.Get("Location"))
			}
		}
	}
}
