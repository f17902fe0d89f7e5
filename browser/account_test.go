package browser

import (
	"testing"
)

// elsewhere is the same person at another browser.
func (p *person) elsewhere() *person {
	p.t.Helper()
	other := &person{tab: newWindow(p.t), name: p.name, subject: p.subject}
	other.expectNoComplaints()
	return other
}

// toAccount signs in for no client.
func (p *person) toAccount(password string) {
	p.t.Helper()
	p.visit(issuer + "/account")
	p.see("Sign in")
	p.signIn(password)
	p.see("Your account")
}

func TestOneSessionIsEndedFromTheAccount(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.goThrough(nil)
	here := p.elsewhere()
	here.toAccount(password)
	here.reads("Web browser", "This device", visitor)

	// The first of the list is this browser, and has no button.
	here.click(`li:has(.name) form button[aria-label="Sign out of Web browser"]`)

	here.see("Your account")
	here.reads("That device is signed out.")
	here.reload()
	here.see("Your account")
	p.start(nil)
	p.see("Sign in")
}

func TestAccessOfAnAppIsRemoved(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.goThrough(nil, "read")
	p.visit(issuer + "/account")
	p.see("Your account")
	p.reads("Apps with access", "The Shop", "Read your data")

	p.click(`button[aria-label="Remove the access of The Shop"]`)

	p.see("Your account")
	p.reads("The access is removed.")
	p.start(nil, "read")
	p.see("Allow The Shop access to your account?")
}

func TestANewPasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	const next = "zwei Fahrräder mit Klingel 8"
	p := newPerson(t)
	p.goThrough(nil)
	here := p.elsewhere()
	here.toAccount(password)
	change := func(current, password, again string) {
		here.see("Your account")
		here.fill("#current-password", current)
		here.fill("#new-password", password)
		here.fill("#password-again", again)
		here.click("section:has(#change) button.primary")
	}

	change("not the password", next, next)
	here.reads("The current password is wrong.")
	change(password, next, next+"!")
	here.reads("The two passwords are not the same.")
	change(password, next, next)
	here.see("Your account")
	here.reads("Your password is changed.")

	here.reload()
	here.see("Your account")
	p.start(nil)
	p.see("Sign in")
	p.signIn(password)
	p.reads("The user name or the password is wrong.")
	p.signIn(next)
	p.see("Welcome")
}

func TestPeopleSignOutAtTheirAccount(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.toAccount(password)

	p.click(`button[value="sign_out"]`)

	p.see("You are signed out")
	p.isSignedOut()
}
