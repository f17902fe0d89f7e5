package browser

import (
	"net/url"
	"testing"
)

// The page to sign in is over once somebody has: it leads on to where the request stands.
func TestBackFromTheConsentLeadsToIt(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	v := p.start(nil)
	p.see("Sign in")
	p.signIn(password)
	p.see("Allow The Shop access to your account?")

	p.back()

	p.see("Allow The Shop access to your account?")
	p.decide("allow")
	p.isBack(v)
	p.wantCodes(1)
}

// Chromium may show the page that asked for consent as it was left: its buttons are over.
func TestBackFromTheClientMakesNoSecondCode(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	v := p.goThrough(nil)

	for range 2 { // to the page that asked for consent, and to that where the sign-in was
		p.back()
		if get[bool](p.tab, `document.querySelector("button") !== null`) {
			p.decide("allow")
		}
		p.see("This page has expired")
		p.reads("Go back to the application and begin again.")
		p.on(issuer)
	}

	v.answer(t)
	p.wantCodes(1)
}

func (p *person) wantCodes(want int) {
	p.t.Helper()
	var got int
	err := database.QueryRow(p.t.Context(), `select count(*) from authd.authorization_codes where subject = $1`, p.subject).Scan(&got)
	if err != nil || got != want {
		p.t.Errorf("%d codes were made, %v, want %d", got, err, want)
	}
}

// Two requests at once in one browser: each comes to its end, whatever happens in the other.
func TestTwoTabsAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		second func(p *person) // in the second tab, while the first asks for consent
	}{
		{"a sign-in in one carries the other", func(p *person) { p.reload() }},
		{"a person may sign in twice", func(p *person) { p.signIn(password) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := newPerson(t)
			second := first.secondTab()
			v1 := first.start(nil)
			v2 := second.start(nil)
			first.see("Sign in")
			second.see("Sign in")
			first.signIn(password)
			first.see("Allow The Shop access to your account?")

			tt.second(second)

			second.see("Allow The Shop access to your account?")
			second.decide("allow")
			second.isBack(v2)
			first.decide("allow")
			first.isBack(v1)
			first.wantCodes(2)
		})
	}
}

func (p *person) secondTab() *person {
	p.t.Helper()
	other := &person{tab: p.tab.tab(), name: p.name, subject: p.subject}
	other.expectNoComplaints()
	return other
}

// A request that is over leads nowhere: the page says what to do.
func TestAnExpiredPageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const (
		aged = `update authd.authorization_requests set expires_at = authd.clock() where login_hint = $1`
		gone = `delete from authd.authorization_requests where login_hint = $1`
	)
	tests := []struct {
		name     string
		how      string
		signedIn bool // before it expires
		then     func(p *person)
	}{
		{"before the sign-in", aged, false, func(p *person) { p.signIn(password) }},
		{"before the sign-in, long ago", gone, false, func(p *person) { p.signIn(password) }},
		{"before the page is loaded again", aged, false, func(p *person) { p.reload() }},
		{"before the registration", aged, false, func(p *person) { p.click(`a[href*="/register"]`) }},
		{"before the consent", aged, true, func(p *person) { p.decide("allow") }},
		{"before the denial", gone, true, func(p *person) { p.decide("deny") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			v := p.start(url.Values{"login_hint": {p.name}})
			p.see("Sign in")
			if tt.signedIn {
				p.signIn(password)
				p.see("Allow The Shop access to your account?")
			}
			p.execute(tt.how, p.name)

			tt.then(p)

			p.see("This page has expired")
			p.reads("Go back to the application and begin again.")
			p.on(issuer)
			if got := v.arrived(); got != 0 || p.status() != 400 {
				t.Errorf("%d answers came to the client, status %d; want none and 400", got, p.status())
			}
			p.wantCodes(0)
		})
	}
}
