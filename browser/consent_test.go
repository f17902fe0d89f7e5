package browser

import (
	"net/url"
	"slices"
	"testing"
)

func TestConsentIsAskedForWhatIsNew(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.start(nil, "profile", "read")
	p.see("Sign in")
	p.signIn(password)
	p.lists([]string{"openid", "profile", "read"}, nil)
	p.decide("allow")
	p.see("Welcome")

	less := p.start(nil, "profile")
	p.isBack(less)
	more := p.start(nil, "profile", "email")
	p.lists([]string{"email"}, []string{"openid", "profile"})
	p.decide("allow")
	p.isBack(more)
	all := p.start(nil, "profile", "email", "read")
	p.isBack(all)
	once := p.start(url.Values{"prompt": {"consent"}}, "profile")
	p.lists([]string{"openid", "profile"}, nil) // OIDC Core §3.1.2.1
	p.decide("allow")

	p.isBack(once)
}

// lists demands the scopes that the page asks for, and those that it says are allowed already.
func (p *person) lists(asked, known []string) {
	p.t.Helper()
	p.see("Allow The Shop access to your account?")
	for selector, want := range map[string][]string{".scopes:not(.known) code": asked, ".scopes.known code": known} {
		got := get[[]string](p.tab, `[...document.querySelectorAll("`+selector+`")].map(e => e.innerText)`)
		if slices.Sort(got); !slices.Equal(got, want) {
			p.t.Errorf("%s: %q, want %q", selector, got, want)
		}
	}
}

// RFC 6749 §4.1.2.1, RFC 9207 §2.
func TestDenialIsToldToTheClient(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "form_post"} {
		t.Run("by "+mode, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			v := p.start(url.Values{"response_mode": {mode}})
			p.see("Sign in")
			p.signIn(password)
			p.see("Allow The Shop access to your account?")

			p.decide("deny")

			p.see("Refused")
			p.at(shopAt, "/callback")
			a := v.answer(t)
			if a.Get("error") != "access_denied" || a.Get("state") != v.state || a.Get("iss") != issuer || a.Has("code") {
				t.Errorf("the client got %v, want access_denied with its state and iss", a)
			}
			p.start(nil)
			p.see("Allow The Shop access to your account?") // nothing was remembered
		})
	}
}

func TestAnotherAccountMayBeUsed(t *testing.T) {
	t.Parallel()
	p, other := newPerson(t), newPerson(t)
	v := p.start(nil)
	p.see("Sign in")
	p.signIn(password)
	p.see("Allow The Shop access to your account?")
	p.reads(p.name)

	p.decide("switch")
	p.see("Sign in")
	p.name, p.subject = other.name, other.subject
	p.signIn(password)
	p.see("Allow The Shop access to your account?")
	p.reads(other.name)
	p.decide("allow")

	p.isBack(v)
}
