package authd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-authd/authd"
)

// withRegistration is [withPages] where anybody may make an account.
func withRegistration(t *testing.T) *harness {
	t.Helper()
	return withPagesAnd(t, func(c *authd.Config) { c.Registration = true })
}

// A new person comes from an application, makes an account, and goes on to the application.
func TestRegisterOnThePage(t *testing.T) {
	t.Parallel()
	h := withRegistration(t)
	p := h.person()
	signIn := p.follow(p.open(authorizeURL(h, "s", strings.Repeat("v", 43))))
	link := registerLink(t, signIn)
	before := p.cookie("authd_session")

	consent := p.follow(p.submit(p.open(link), "username", "eve", "password", password, "password_again", password))

	if !strings.Contains(consent.raw, "eve") || before != "" || p.cookie("authd_session") == "" {
		t.Errorf("page %s", consent.raw)
	}
	if got := p.back(p.submit(consent, "decision", "allow")); !got.Has("code") || got.Get("state") != "s" {
		t.Errorf("answer %v", got)
	}
	// Of no request, the account is next; and whoever was signed in before is not any more, W-02.
	if a := p.submit(p.open("/register"), "username", "mallory", "password", password, "password_again", password); a.header.Get("Location") != "/account" {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
	if home := p.open("/account"); !strings.Contains(home.raw, "mallory") || h.sessions() != 1 {
		t.Errorf("account %s, %d sessions", home.raw, h.sessions())
	}
}

func registerLink(t *testing.T, page answer) string {
	t.Helper()
	_, after, ok := strings.Cut(page.raw, `<a href="/register`)
	if !ok {
		t.Fatalf("no link in %s", page.raw)
	}
	link, _, _ := strings.Cut(after, `"`)
	return "/register" + link
}

// B-14, B-18, W-03: what is refused makes no account, signs nobody in, and keeps the name.
func TestRegisterIsRefused(t *testing.T) {
	t.Parallel()
	h := withRegistration(t)
	tests := []struct {
		name    string
		pairs   []string
		headers map[string]string
		want    int
		text    string
	}{
		{"a weak password", []string{"username", "eve", "password", "password1", "password_again", "password1"}, nil, 400, "too short or too easy"},
		{"the name in the password", []string{"username", "eve", "password", "eveeveeveeveeve", "password_again", "eveeveeveeveeve"}, nil, 400, "too short or too easy"},
		{"a name that is taken", []string{"username", "ADA", "password", password, "password_again", password}, nil, 409, "Somebody has this user name."},
		{"no name for anybody", []string{"username", "e v e", "password", password, "password_again", password}, nil, 400, "without spaces"},
		{"not twice the same", []string{"username", "eve", "password", password, "password_again", password + "s"}, nil, 400, "not the same"},
		{"not repeated", []string{"username", "eve", "password", password}, nil, 400, "Fill in all fields."},
		{"no name", []string{"password", password, "password_again", password}, nil, 400, "Fill in all fields."},
		{
			"from another site",
			[]string{"username", "eve", "password", password, "password_again", password},
			map[string]string{"Sec-Fetch-Site": "cross-site"},
			403, "another site",
		},
		{"without its token", []string{"username", "eve", "password", password, "password_again", password, "form_token", ""}, nil, 403, "expired"},
		{"with another request", []string{"username", "eve", "password", password, "password_again", password, "request", strings.Repeat("A", 43)}, nil, 403, "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := h.person()
			page := p.open("/register")
			p.headers = tt.headers

			a := p.submit(page, tt.pairs...)

			if a.status != tt.want || !strings.Contains(a.raw, tt.text) || strings.Contains(a.raw, password) || p.cookie("authd_session") != "" {
				t.Errorf("%d %s", a.status, a.raw)
			}
			if _, err := h.server.User(t.Context(), "eve"); err == nil {
				t.Error("there is an account")
			}
		})
	}
}

// Where it is off there is neither page nor link.
func TestRegistrationIsOff(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p := h.person()

	if page := p.open("/login"); strings.Contains(page.raw, "/register") {
		t.Errorf("a link: %s", page.raw)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		h.do(h.request(method, "/register", "", "")).want(t, 404, "not_found")
	}
}
