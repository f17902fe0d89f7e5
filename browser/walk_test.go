package browser

import (
	"fmt"
	"maps"
	"net/url"

	"github.com/chromedp/cdproto/emulation"
)

// walk leads a person past each page, as it is first and with what may stand on it.
type walk struct {
	*person
	more url.Values // parameters of the requests
	look func(page string)
}

// stop looks at a page that has such an element.
func (w walk) stop(page, element string) {
	w.t.Helper()
	w.await("waiting for "+page, fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q) !== null`, element))
	w.look(page)
}

const primary = "button.primary"

func (w walk) everyPage() {
	w.t.Helper()
	w.start(w.more, "profile")
	w.stop("sign in", "form[action='/login']")
	w.fill("#username", w.name)
	w.fill("#password", "wrong")
	w.click(primary)
	w.stop("sign in, after a wrong password", ".bad ~ form[action='/login']")
	w.register()
	w.signIn(password)
	w.stop("consent", "form[action='/consent']")
	w.decide("allow")
	w.see("Welcome")
	w.start(w.more, "profile", "email", "read", "write")
	w.stop("consent to more", ".scopes.known ~ form[action='/consent']")
	w.decide("deny")
	w.see("Refused")
	w.account()
	w.formPost()
	w.visit(issuer + "/oauth2/authorize?client_id=nobody&" + w.more.Encode())
	w.stop("error", "dl.details")
	w.signOut()
}

func (w walk) register() {
	w.t.Helper()
	w.click("a[href*='/register']")
	w.stop("register", "form[action='/register']")
	w.fill("#username", w.name)
	w.fill("#password", password)
	w.fill("#password-again", password)
	w.click(primary)
	w.stop("register, with a name that is taken", ".bad ~ form[action='/register']")
	w.click("a[href*='/login']")
}

func (w walk) account() {
	w.t.Helper()
	w.elsewhere().toAccount(password)
	w.visit(issuer + "/account")
	w.stop("account", "button[value=end]")
	w.fill("#current-password", "wrong")
	w.fill("#new-password", password)
	w.fill("#password-again", password)
	w.click("section:has(#change) " + primary)
	w.stop("account, after a wrong password", ".bad ~ form #current-password")
	w.click("button[value=end_others]")
	w.stop("account, after the others are signed out", ".good")
}

// formPost is seen only where scripts are off.
func (w walk) formPost() {
	w.t.Helper()
	parameters := url.Values{"response_mode": {"form_post"}}
	maps.Copy(parameters, w.more)
	w.scripts(false)
	w.start(parameters, "profile")
	w.stop("form post", "#form-post")
	w.scripts(true)
}

func (w walk) signOut() {
	w.t.Helper()
	const ask = "form[action='/logout']"
	w.visit(logout(w.more))
	w.stop("sign out?", ask)
	w.decide("deny")
	w.stop("still signed in", "main:not(:has(form))")
	w.visit(logout(w.more))
	w.decide("allow")
	w.stop("signed out", "main:not(:has(form))")
}

// scripts switches them for the pages that follow.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	b.do("scripts", call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
}
