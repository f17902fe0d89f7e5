package browser

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// W-03: what stops the form is that the browser says where it comes from. The rest of it is
// as good as that of the own page.
func TestAFormOfAnotherSiteSignsNobodyIn(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	form := url.Values{"username": {p.name}, "password": {password}, "url": {issuer + "/login"}}
	p.visit(issuer + "/login")
	p.see("Sign in")
	form.Set("form_token", get[string](p.tab, `document.querySelector("[name=form_token]").value`))

	p.visit(evilAt + "/form?" + form.Encode())
	p.see("Win")
	p.click("button")

	p.see("This request was stopped")
	p.reads("cross_site")
	if status := p.status(); status != 403 {
		t.Errorf("status %d, want 403", status)
	}
	p.visit(issuer + "/account")
	p.see("Sign in")
	p.signIn(password) // that form was good
	p.see("Your account")
}

// frame-ancestors, W-14: nobody clicks on what they do not see.
func TestPagesAreNotFramed(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.toAccount(password)
	tests := []struct {
		name, page string
		framed     bool
	}{
		{"the page to sign in", issuer + "/login", false},
		{"the account", issuer + "/account", false},
		{"an error", issuer + "/consent?request=none", false},
		{"a page of somebody who allows it", shopAt + "/bye", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newWindow(t)

			b.visit(evilAt + "/frame?" + url.Values{"url": {tt.page}}.Encode())

			refused := func(message string) bool { return strings.Contains(message, "frame-ancestors 'none'") }
			if got := slices.ContainsFunc(b.close(), refused); got == tt.framed {
				t.Errorf("the browser refused the frame: %v", got)
			}
		})
	}
}

// W-01: the cookies are those of a host over TLS, and no script and no other site sends them.
func TestCookies(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.goThrough(nil)

	cookies := p.cookies(issuer)

	var names []string
	for _, c := range cookies {
		names = append(names, c.Name)
		// The browser is known after a sign-in, for longer than the session (B-11).
		session := c.Name == "__Host-authd_session"
		if !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "auth.example" || c.Session != session {
			t.Errorf("%s: secure %v, http only %v, same site %q, path %q, domain %q, session %v",
				c.Name, c.Secure, c.HTTPOnly, c.SameSite, c.Path, c.Domain, c.Session)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"__Host-authd_browser", "__Host-authd_session"}) {
		t.Errorf("cookies %q", names)
	}
}

func (b *tab) cookies(address string) (list []*network.Cookie) {
	b.t.Helper()
	b.do("cookies", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		got, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{address}})
		list = got.Cookies
		return err
	}))
	return list
}

// What every test relies on: a page that breaks its own policy is complained about.
func TestTheBrowserComplains(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/against-its-policy": "style-src", "/throws": "nobody is not defined"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			b := newWindow(t)

			b.visit(evilAt + path)
			b.see("Page")

			messages := b.close()
			if !slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, want) }) {
				t.Errorf("got %q, want one about %s", messages, want)
			}
		})
	}
}
