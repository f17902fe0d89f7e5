package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func (b *tab) key(keys string) {
	b.t.Helper()
	b.do("keys", chromedp.KeyEvent(keys))
}

// focused waits until the element has the focus, which it gets from the page.
func (b *tab) focused(selector string) {
	b.t.Helper()
	b.await("focus on "+selector, `document.activeElement.matches("`+selector+`")`)
}

// tabTo goes on by the keyboard until the element has the focus, and sees it on the way.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 20 {
		if get[bool](b, `document.activeElement.matches("`+selector+`")`) {
			return
		}
		b.key(kb.Tab)
		for _, wrong := range b.judge("focus") {
			b.t.Error(wrong)
		}
	}
	b.fatal("the keyboard does not reach %s", selector)
}

func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	enter := chromedp.KeyEvent(kb.Enter)

	v := p.start(nil)
	p.see("Sign in")
	p.focused("#username")
	p.key(p.name)
	p.tabTo("#password")
	p.key("not the password")
	p.leave("Enter", enter)
	p.see("Sign in")
	p.reads("The user name or the password is wrong.")
	p.focused("#password") // since the name is kept
	p.key(password)
	p.leave("Enter", enter)
	p.see("Allow The Shop access to your account?")
	p.tabTo("[value=allow]")
	p.leave("Enter", enter)

	p.isBack(v)
}

// Without scripts all is as with them, but that form_post needs a click.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			p.scripts(false)

			v := p.start(map[string][]string{"response_mode": {mode}})
			p.see("Sign in")
			p.signIn(password)
			p.see("Allow The Shop access to your account?")
			p.decide("allow")
			if mode == "form_post" {
				p.see("One moment")
				p.click("button")
			}

			p.isBack(v)
		})
	}
}
