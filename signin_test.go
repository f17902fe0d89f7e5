package authd_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

// hostPages is a host with sign-in of its own: what its hook was told last.
type hostPages struct {
	*harness
	mu   sync.Mutex
	last authd.SignInRequest
}

// withHost has the host's page at /host, which signs in whom the query names.
func withHost(t *testing.T) *hostPages {
	t.Helper()
	p := new(hostPages)
	p.harness = withPagesAnd(t, func(c *authd.Config) {
		c.SignIn = func(w http.ResponseWriter, r *http.Request, s authd.SignInRequest) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.last = s
			http.Redirect(w, r, "/host", http.StatusSeeOther)
		}
	})
	own := p.http.Config.Handler
	p.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/host" {
			own.ServeHTTP(w, r)
			return
		}
		q := r.URL.Query()
		who := authd.Subject{ID: q.Get("who"), AMR: []string{"hwk"}, Name: "Ada L."}
		if ago, err := time.ParseDuration(q.Get("ago")); err == nil {
			who.AuthTime = time.Now().Add(-ago)
		}
		p.server.CompleteSignIn(w, r, q.Get("continue"), who)
	})
	return p
}

func (p *hostPages) told() authd.SignInRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// asked goes as far as the host's page.
func (p *hostPages) asked(b *person, more ...oauth2.AuthCodeOption) authd.SignInRequest {
	p.t.Helper()
	a := b.open(authorizeURL(p.harness, "s", strings.Repeat("v", 43), more...))
	if a = b.follow(a); a.header.Get("Location") != "/host" {
		p.t.Fatalf("%d to %q %s", a.status, a.header.Get("Location"), a.raw)
	}
	return p.told()
}

func (p *hostPages) completes(b *person, continuation, who string) answer {
	p.t.Helper()
	return b.open("/host?continue=" + continuation + "&who=" + who)
}

// The host says who is there and how it knows; the rest is as with our own page.
func TestHostSignsIn(t *testing.T) {
	t.Parallel()
	h := withHost(t)
	b := h.person()

	told := h.asked(b, oauth2.SetAuthURLParam("login_hint", "ada@example.com"), oauth2.SetAuthURLParam("ui_locales", "ko"))
	consent := b.follow(h.completes(b, told.Continue, "person-1"))
	got := b.back(b.submit(consent, "decision", "allow"))
	token, err := h.config().Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(strings.Repeat("v", 43)))
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(consent.raw, "Ada L.") || told.Client == "" || told.LoginHint != "ada@example.com" || told.UILocales != "ko" || told.Again {
		t.Errorf("told %+v; page %s", told, consent.raw)
	}
	if at := part(t, token.AccessToken, 1); at["sub"] != "person-1" || at["auth_time"] == nil {
		t.Errorf("claims %v", at)
	}
	// The account is there, without a password of ours.
	home := b.open("/account")
	if home.status != 200 || strings.Contains(home.raw, "new_password") || strings.Contains(home.raw, "/register") {
		t.Errorf("account %d %s", home.status, home.raw)
	}
	if a := b.does(home, "password", "current_password", "x", "new_password", "y", "password_again", "y"); a.status != 404 {
		t.Errorf("a password: %d", a.status)
	}
	h.do(h.request(http.MethodPost, "/login", "", "")).want(t, 405, "invalid_request")
}

// D-24, W-02, W-15: a continuation is of one browser, and has one use.
func TestContinuationIsRefused(t *testing.T) {
	t.Parallel()
	h := withHost(t)
	b, other := h.person(), h.person()
	good := h.asked(b).Continue
	others := h.asked(other).Continue
	id, token, _ := strings.Cut(good, ".")
	otherID, _, _ := strings.Cut(others, ".")
	for name, continuation := range map[string]string{
		"none": "", "another browser's": others, "another request's": otherID + "." + token, "without its token": id + ".",
		"no request's": "." + token, "other bytes": "%00." + token, "an address": "https://evil.example/." + token, "a path": "//evil.example",
	} {
		a := h.completes(b, continuation, "person-1")
		to := a.header.Get("Location")
		if again := a.status == 303 && (to == "/login" || strings.HasPrefix(to, "/login?request=")); !again && a.status != 403 || b.cookie("authd_session") != "" {
			t.Errorf("%s: %d to %q", name, a.status, to)
		}
	}
	if a := h.completes(h.person(), good, "person-1"); a.status != 403 || h.sessions() != 0 {
		t.Errorf("a browser without cookies: %d, %d sessions", a.status, h.sessions())
	}

	first := h.completes(b, good, "person-1")
	session := b.cookie("authd_session")
	second := h.completes(b, good, "person-2")

	if session == "" || b.cookie("authd_session") != session || h.sessions() != 1 {
		t.Errorf("a second use: %d to %q", second.status, second.header.Get("Location"))
	}
	// Where it is used twice, as in two tabs, the browser still gets on.
	if consent := b.follow(b.follow(second)); !strings.HasPrefix(first.header.Get("Location"), "/consent") || !strings.Contains(consent.raw, "Ada L.") {
		t.Errorf("after it: %d %s", consent.status, consent.raw)
	}
}

// D-05: whom the host may not vouch for.
func TestHostVouchesInVain(t *testing.T) {
	t.Parallel()
	h := withHost(t)
	if err := h.server.RevokeSubject(t.Context(), "ended"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.pool.Exec(t.Context(), `insert into authd.subjects (subject, disabled_at) values ('disabled', authd.clock())`); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]int{"app": 500, "disabled": 403, "": 500, strings.Repeat("x", 256): 500, "ended": 303} {
		b := h.person()
		a := h.completes(b, h.asked(b).Continue, who)
		if a.status != want || (b.cookie("authd_session") != "") != (want == 303) {
			t.Errorf("%.10q: %d, want %d", who, a.status, want)
		}
		if want != 303 && !strings.Contains(a.raw, "<h1>") {
			t.Errorf("%.10q: no page: %s", who, a.raw)
		}
	}
}

// The host is told when a session of its own is not enough (OIDC Core §3.1.2.1, A-16).
func TestHostMustAskAgain(t *testing.T) {
	t.Parallel()
	h := withHost(t)
	b := h.person()
	for _, param := range [][2]string{{"prompt", "login"}, {"prompt", "select_account"}, {"max_age", "60"}} {
		if !h.asked(b, oauth2.SetAuthURLParam(param[0], param[1])).Again {
			t.Errorf("%s=%s: not again", param[0], param[1])
		}
	}
	told := h.asked(b)
	if told.Again {
		t.Error("again, although nobody was there")
	}
	h.completes(b, told.Continue, "person-1")

	b.open("/login")
	if home := h.told(); !home.Again || home.Client != "" {
		t.Errorf("for the account it is told %+v", home)
	}
}

// OIDC Core §2, §3.1.2.1, A-16: what the host says of when it authenticated the person is what
// tokens say, and by it is judged whether that was recent enough.
func TestHostSaysWhen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, ago string // before now; "" for not said
		more      [2]string
		status    int
		want      string // error to the client; "" for a code
	}{
		{"not said: now", "", [2]string{"max_age", "60"}, 303, ""},
		{"an hour ago", "1h", [2]string{}, 303, ""},
		{"an hour ago, and max_age is two", "1h", [2]string{"max_age", "7200"}, 303, ""},
		{"an hour ago, and max_age is a minute", "1h", [2]string{"max_age", "60"}, 303, "login_required"},
		{"an hour ago, and prompt is login", "1h", [2]string{"prompt", "login"}, 303, "login_required"},
		{"an hour ago, and an account was selected", "1h", [2]string{"prompt", "select_account"}, 303, ""},
		{"just now, and prompt is login", "0s", [2]string{"prompt", "login"}, 303, ""},
		{"by a clock that is a second ahead", "-1s", [2]string{"max_age", "60"}, 303, ""},
		{"in a minute", "-1m", [2]string{}, 500, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := withHost(t)
			b := h.person()
			var more []oauth2.AuthCodeOption
			if tt.more[0] != "" {
				more = append(more, oauth2.SetAuthURLParam(tt.more[0], tt.more[1]))
			}
			told := h.asked(b, more...)
			before := time.Now().Add(-time.Second)

			a := b.open("/host?continue=" + told.Continue + "&who=person-1&ago=" + tt.ago)

			if tt.status != 303 {
				if a.status != tt.status || b.cookie("authd_session") != "" {
					t.Errorf("%d, session %q", a.status, b.cookie("authd_session"))
				}
				return
			}
			if tt.want == "" {
				a = b.submit(b.follow(a), "decision", "allow")
			}
			got := b.back(a)
			if got.Get("error") != tt.want || got.Get("state") != "s" {
				t.Fatalf("answer %v", got)
			}
			if tt.want != "" {
				return
			}
			token, err := h.config().Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(strings.Repeat("v", 43)))
			if err != nil {
				t.Fatal(err)
			}
			ago, _ := time.ParseDuration(tt.ago)
			at := time.Unix(int64(part(t, token.AccessToken, 1)["auth_time"].(float64)), 0)
			if latest := time.Now().Add(-max(ago, 0)); at.Before(before.Add(-ago-time.Second)) || at.After(latest) {
				t.Errorf("auth_time %s, want about %s", at, latest)
			}
		})
	}
}

// W-02: and the account page asks for more than a session of the host's that is old.
func TestHostSaysWhenToTheAccount(t *testing.T) {
	t.Parallel()
	h := withHost(t)
	b := h.person()
	b.open("/login")
	a := b.open("/host?continue=" + h.told().Continue + "&who=person-1&ago=1h")
	home := b.follow(a)

	if out := b.does(home, "end_others"); out.header.Get("Location") != "/login" {
		t.Errorf("others are ended by an authentication of an hour ago: %d to %q", out.status, out.header.Get("Location"))
	}
	b.open("/login")
	home = b.follow(b.open("/host?continue=" + h.told().Continue + "&who=person-1"))
	if out := b.does(home, "end_others"); !strings.HasPrefix(out.header.Get("Location"), "/account?") {
		t.Errorf("by one of now: %d to %q", out.status, out.header.Get("Location"))
	}
}

// A configuration that would do nothing, or fail at the first person, is refused.
func TestPagesConfig(t *testing.T) {
	t.Parallel()
	hook := func(http.ResponseWriter, *http.Request, authd.SignInRequest) {}
	tests := []struct {
		name, want string
		change     func(*authd.Config)
	}{
		{"registration without pages", "Config.Registration", func(c *authd.Config) { c.Registration = true }},
		{"a hook without pages", "Config.SignIn", func(c *authd.Config) { c.SignIn = hook }},
		{"templates without pages", "Config.Templates", func(c *authd.Config) { c.Templates = fstest.MapFS{} }},
		{"registration beside the host's sign-in", "Config.Registration", func(c *authd.Config) { c.SignInPages, c.Registration, c.SignIn = true, true, hook }},
		{"a template that cannot be parsed", "account.html:1", func(c *authd.Config) {
			c.SignInPages, c.Templates = true, fstest.MapFS{"account.html": {Data: []byte("{{if}}")}}
		}},
		{"a template that asks for what is not there", "consent.html:2", func(c *authd.Config) {
			c.SignInPages, c.Templates = true, fstest.MapFS{"consent.html": {Data: []byte("<p>\n{{.Clinet}}")}}
		}},
		{"a template that is none of ours", "signin.html", func(c *authd.Config) {
			c.SignInPages, c.Templates = true, fstest.MapFS{"signin.html": {Data: []byte("<p>")}}
		}},
	}
	pool := newHarness(t, nil).pool
	for _, tt := range tests {
		cfg := authd.Config{Issuer: "https://as.example", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek(t)}}
		tt.change(&cfg)
		if _, err := authd.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s in it", tt.name, err, tt.want)
		}
	}
}

// A host replaces one page and adds a picture; the others stay.
func TestTemplates(t *testing.T) {
	t.Parallel()
	h := withPagesAnd(t, func(c *authd.Config) {
		c.Templates = fstest.MapFS{
			"signed_out.html": {Data: []byte(`<!doctype html><title>Bye</title><img src="{{static "logo.svg"}}" alt="">`)},
			"static/logo.svg": {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		}
	})
	p := h.person()

	bye := p.open("/signed-out")

	_, src, _ := strings.Cut(bye.raw, `src="`)
	src, _, ok := strings.Cut(src, `"`)
	if !ok || !strings.HasPrefix(bye.raw, "<!doctype html><title>Bye</title>") {
		t.Fatalf("page %s", bye.raw)
	}
	if logo := p.open(src); logo.status != 200 || logo.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("%s: %d %s", src, logo.status, logo.header.Get("Content-Type"))
	}
	if page := p.open("/login"); !strings.Contains(page.raw, `name="password"`) {
		t.Errorf("sign in: %s", page.raw)
	}
}
