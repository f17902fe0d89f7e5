package browser

import (
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// W-20: password managers know each field, and what they or people paste stays.
func TestPasswordManagersAreWelcome(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	knows := func(page string, want map[string]string) {
		t.Helper()
		for selector, autocomplete := range want {
			if got := get[string](p.tab, `document.querySelector("`+selector+`").autocomplete`); got != autocomplete {
				t.Errorf("%s, %s: autocomplete is %q, want %q", page, selector, got, autocomplete)
			}
		}
		for _, kind := range get[[]string](p.tab, `[...document.querySelectorAll("[id*=password][name]")].map(e => e.type)`) {
			if kind != "password" {
				t.Errorf("%s: a password is of type %s", page, kind)
			}
		}
	}

	p.start(nil)
	p.see("Sign in")
	knows("sign in", map[string]string{"#username": "username", "#password": "current-password"})
	p.click("a[href*='/register']")
	p.see("Create an account")
	knows("register", map[string]string{"#username": "username", "#password": "new-password", "#password-again": "new-password"})
	p.click("a[href*='/login']")
	p.see("Sign in")
	p.fill("#username", password)
	p.edit("selectAll")
	p.edit("copy")
	p.fill("#username", p.name)
	get[bool](p.tab, `document.querySelector("#password").focus() ?? true`)
	p.edit("paste")
	p.field("#password", password)
	p.click(primary)
	p.see("Allow The Shop access to your account?")
	p.visit(issuer + "/account")
	p.see("Your account")

	knows("account", map[string]string{
		"[name=username]": "username", "#current-password": "current-password", "#new-password": "new-password", "#password-again": "new-password",
	})
}

// edit does what a key of the browser does to the field that has the focus.
func (b *tab) edit(command string) {
	b.t.Helper()
	press := func(kind input.DispatchKeyEventType, commands ...string) chromedp.Action[chromedp.Void] {
		return call(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "F13", Code: "F13", WindowsVirtualKeyCode: 124, Commands: commands})
	}
	b.do(command, press(input.DispatchKeyEventTypeRawKeyDown, command), press(input.DispatchKeyEventTypeKeyUp))
}
