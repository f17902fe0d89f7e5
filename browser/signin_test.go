package browser

import (
	"net/url"
	"testing"
)

func TestSignInLeadsBackToTheClient(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		more url.Values
	}{
		// W-07: Chromium holds redirects after a form to form-action.
		{"by a redirect after the form", nil},
		{"by a form that posts itself, OAuth 2.0 Form Post Response Mode", url.Values{"response_mode": {"form_post"}}},
		{"with the name filled in, OIDC Core §3.1.2.1 login_hint", url.Values{"login_hint": {"somebody"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)

			v := p.start(tt.more, "profile")
			p.see("Sign in")
			p.at(issuer, "/login")
			p.reads("to continue to The Shop")
			p.field("#username", tt.more.Get("login_hint"))
			p.signIn(password)
			p.see("Allow The Shop access to your account?")
			p.at(issuer, "/consent")
			p.reads(p.name, "shop.example")
			p.decide("allow")

			p.isBack(v)
		})
	}
}

func TestAWrongPasswordMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPerson(t)

	v := p.start(nil)
	for range 2 {
		p.see("Sign in")
		p.signIn("kein Fahrrad, eine Klingel")
		p.see("Sign in")
		p.reads("The user name or the password is wrong.")
		p.field("#username", p.name)
		p.field("#password", "")
		if status := p.status(); status != 400 {
			t.Errorf("status %d, want 400", status)
		}
	}
	p.signIn(password)
	p.see("Allow The Shop access to your account?")
	p.decide("allow")

	p.isBack(v)
}

// The throttle is the account's: nobody locks others out, and nobody for good.
func TestTooManyAttemptsMeanAWait(t *testing.T) {
	t.Parallel()
	p, other := newPerson(t), newPerson(t)
	v := p.start(nil)
	p.see("Sign in")
	p.signIn("wrong")
	p.see("Sign in")
	p.execute(`update authd.login_attempts set failures = 20 where account = sha256(convert_to($1, 'UTF8'))`, p.name)
	p.signIn("wrong") // what comes next has to wait for 15 minutes
	p.see("Sign in")
	p.reads("The user name or the password is wrong.")

	p.signIn(password)

	p.see("Sign in")
	p.reads("Too many attempts. Wait a few minutes, then try again.")
	p.field("#username", p.name)
	p.field("#password", "")
	if status := p.status(); status != 429 {
		t.Errorf("status %d, want 429", status)
	}
	other.goThrough(nil)
	p.execute(`update authd.login_attempts set blocked_until = authd.clock() where account = sha256(convert_to($1, 'UTF8'))`, p.name)
	p.signIn(password)
	p.see("Allow The Shop access to your account?")
	p.decide("allow")
	p.isBack(v)
}

// Whoever is signed in is not asked again.
func TestTheNextClientNeedsNoPassword(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.goThrough(nil)

	v := p.start(nil)

	p.isBack(v)
}

func TestRegistrationLeadsBackToTheClient(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	taken, name := p.name, newName("grace")
	fill := func(username, password, again string) {
		p.see("Create an account")
		p.fill("#username", username)
		p.fill("#password", password)
		p.fill("#password-again", again)
		p.click("button.primary")
	}

	v := p.start(nil)
	p.see("Sign in")
	p.click(`a[href*="/register"]`)
	fill(taken, password, password)
	p.reads("Somebody has this user name. Choose another.")
	fill(name, password, password+"!")
	p.reads("The two passwords are not the same.")
	p.field("#username", name)
	fill(name, "passwordpassword", "passwordpassword")
	p.reads("This password is too short or too easy to guess.")
	fill(name, password, password)
	p.see("Allow The Shop access to your account?")
	p.reads(name)
	p.decide("allow")

	u, err := admin.User(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p.subject = u.Subject
	p.isBack(v)
}
