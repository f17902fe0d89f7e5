package browser

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/go-authd/authd"
)

const password = "ein Fahrrad ohne Klingel 7"

// person is somebody with an account, at a browser of their own.
type person struct {
	*tab
	name, subject string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	return newPersonCalled(t, newName("ada"))
}

func newPersonCalled(t *testing.T, name string) *person {
	t.Helper()
	p := &person{name: name}
	u, err := admin.CreateUser(t.Context(), authd.NewUser{Username: p.name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	p.subject = u.Subject
	p.tab = newWindow(t)
	p.expectNoComplaints()
	return p
}

// newName returns a name that nobody has.
func newName(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:10]) }

// expectNoComplaints judges every page of the test: none may break its own policy.
func (b *tab) expectNoComplaints() {
	b.t.Cleanup(func() {
		for _, message := range b.close() {
			b.t.Errorf("the browser complains: %s", message)
		}
	})
}

// go to a client that asks for openid and more.
func (p *person) start(more url.Values, scopes ...string) *visit {
	p.t.Helper()
	v, address := shop.begin(append([]string{"openid"}, scopes...), more)
	p.visit(address)
	return v
}

// signIn fills in the form that is there.
func (p *person) signIn(password string) {
	p.t.Helper()
	p.fill("#username", p.name)
	p.fill("#password", password)
	p.click("button.primary")
}

// decide presses a button of a page that asks.
func (b *tab) decide(decision string) {
	b.t.Helper()
	b.click(`button[name="decision"][value="` + decision + `"]`)
}

// goThrough signs in, allows what is asked for, and comes back to the client.
func (p *person) goThrough(more url.Values, scopes ...string) *visit {
	p.t.Helper()
	v := p.start(more, scopes...)
	p.see("Sign in")
	p.signIn(password)
	p.see("Allow The Shop access to your account?")
	p.decide("allow")
	p.isBack(v)
	return v
}

// isBack demands that the client knows the person, by one answer.
func (p *person) isBack(v *visit) {
	p.t.Helper()
	p.see("Welcome")
	p.at(shopAt, "/callback")
	p.reads(p.subject)
	v.answer(p.t)
}

// field demands a value of a field.
func (b *tab) field(selector, want string) {
	b.t.Helper()
	if got := get[string](b, `document.querySelector("`+selector+`").value`); got != want {
		b.t.Errorf("%s holds %q, want %q", selector, got, want)
	}
}

// execute changes the database as time would. It must hit something.
func (p *person) execute(statement string, args ...any) {
	p.t.Helper()
	tag, err := database.Exec(p.t.Context(), statement, args...)
	if err != nil || tag.RowsAffected() == 0 {
		p.t.Fatalf("%s: %d rows, %v", statement, tag.RowsAffected(), err)
	}
}
