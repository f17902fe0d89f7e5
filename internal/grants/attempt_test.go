package grants_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
)

// asked has one person, mallory, and counts the passwords that it is asked to look at.
type asked struct {
	n   int
	err error // of everybody else
}

func (a *asked) Authenticate(ctx context.Context, username, _ string) (oauth.Authentication, error) {
	a.n++
	if username == "mallory" {
		return anyone{}.Authenticate(ctx, username, "")
	}
	return oauth.Authentication{}, a.err
}

// names are those that are taken. None costs a hash.
type names map[string]bool

func (n names) Register(_ context.Context, u authn.NewUser) (oauth.Authentication, error) {
	switch {
	case u.Password == "easy":
		return oauth.Authentication{}, oauth.Errorf(oauth.WeakPassword, "weak")
	case n[u.Username]:
		return oauth.Authentication{}, oauth.Errorf(oauth.UsernameTaken, "taken")
	}
	n[u.Username] = true
	return oauth.Authentication{Subject: u.Username, Time: time.Now(), AMR: []string{"pwd"}}, nil
}

func (names) ChangePassword(context.Context, string, string, string, string) (oauth.Authentication, error) {
	return oauth.Authentication{}, oauth.Errorf(oauth.InvalidCredentials, "wrong")
}

// limits is a server whose clock stands still until the test moves it.
type limits struct {
	*fixture
	users *asked
	now   time.Time
}

func withLimits(t *testing.T) *limits {
	t.Helper()
	l := &limits{users: &asked{err: oauth.Errorf(oauth.InvalidCredentials, "wrong")}, now: time.Unix(1_800_000_000, 0)}
	l.fixture = setupWith(t, options{grace: grace, users: l.users, own: names{}, now: func() time.Time { return l.now }})
	return l
}

func (l *limits) browser(address string) grants.Browser {
	l.t.Helper()
	b := newBrowser(l.t)
	if address != "" {
		b.Address = netip.MustParseAddr(address)
	}
	return b
}

// signIn returns the code of the refusal, "" for a success.
func (l *limits) signIn(address, username string) oauth.Code {
	l.t.Helper()
	_, _, err := l.grants.SignInBrowser(l.t.Context(), "", l.browser(address), username, "x")
	return refusalOf(l.t, err)
}

func refusalOf(t *testing.T, err error) oauth.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatal(err)
	}
	return e.Code
}

// sweep guesses once at each of n accounts, and returns how many passwords were looked at.
func (l *limits) sweep(address string, n int) (looked int) {
	l.t.Helper()
	before := l.users.n
	for i := range n {
		if code := l.signIn(address, fmt.Sprintf("user%d", i)); code != oauth.InvalidCredentials && code != oauth.TooManyAttempts {
			l.t.Fatalf("guess %d: %q", i, code)
		}
	}
	return l.users.n - before
}

// B-12, D-16: one address that guesses at many accounts.
func TestOneAddressGuessesAtManyAccounts(t *testing.T) {
	t.Parallel()
	l := withLimits(t)
	const attacker, neighbour = "2001:db8::1", "2001:db8::ffff"

	if n := l.sweep(attacker, 10_000); n != 100 {
		t.Errorf("%d passwords were looked at, want 100", n)
	}
	for address, want := range map[string]oauth.Code{
		attacker: oauth.TooManyAttempts, neighbour: oauth.TooManyAttempts, "2001:db8:0:1::1": "", "192.0.2.1": "", "": "",
	} {
		if got := l.signIn(address, "mallory"); got != want {
			t.Errorf("from %q: %q, want %q", address, got, want)
		}
	}
	_, _, err := l.grants.SignInBrowser(t.Context(), "", l.browser(attacker), "mallory", "x")
	if e := refused(t, err, oauth.TooManyAttempts); e.RetryAfter != 6*time.Second || e.HTTPStatus() != 429 {
		t.Errorf("refused for %v with %d", e.RetryAfter, e.HTTPStatus())
	}
	l.now = l.now.Add(time.Minute)
	if n := l.sweep(attacker, 100); n != 10 {
		t.Errorf("a minute later %d passwords were looked at, want 10", n)
	}
	l.now = l.now.Add(time.Hour)
	if n := l.sweep(attacker, 1000); n != 100 {
		t.Errorf("an hour later %d passwords were looked at, want 100", n)
	}
}

// B-13: who signs in to an account of their own between the guesses gets none more for it.
func TestOwnSuccessBuysNoGuesses(t *testing.T) {
	t.Parallel()
	l := withLimits(t)
	guesses := 0
	for i := range 150 {
		if l.signIn("192.0.2.1", fmt.Sprintf("user%d", i)) == oauth.InvalidCredentials {
			guesses++
		}
		if i < 99 {
			if code := l.signIn("192.0.2.1", "mallory"); code != "" {
				t.Fatalf("own sign-in after %d guesses: %q", i+1, code)
			}
		}
	}

	if guesses != 100 {
		t.Errorf("%d passwords were looked at, want 100", guesses)
	}
}

// The account calls and the change of a password are other doors to the same passwords.
func TestAllDoorsShareTheLimitByAddress(t *testing.T) {
	t.Parallel()
	l := withLimits(t)
	own := l.browser("192.0.2.1")
	_, session, err := l.grants.SignInBrowser(t.Context(), "", own, "mallory", "x")
	if err != nil {
		t.Fatal(err)
	}
	own.Session = session
	l.sweep("192.0.2.1", 100)
	in := grants.SignIn{Caller: asPublic("app"), Address: own.Address}

	_, errLogin := l.grants.Login(t.Context(), in, "ada", "x")
	_, errChange := l.grants.ChangePassword(t.Context(), in, "ada", "x", "four quite unrelated words")
	_, errOwn := l.grants.ChangeOwnPassword(t.Context(), own, "x", "four quite unrelated words")

	for name, err := range map[string]error{"login": errLogin, "password": errChange, "account page": errOwn} {
		if got := refusalOf(t, err); got != oauth.TooManyAttempts {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What is not the person's fault counts for nothing.
func TestOutagesCountForNoAddress(t *testing.T) {
	t.Parallel()
	l := withLimits(t)
	for _, fault := range []error{errHost, oauth.Busy} {
		l.users.err = fault
		for range 200 {
			if _, _, err := l.grants.SignInBrowser(t.Context(), "", l.browser("192.0.2.1"), "ada", "x"); !errors.Is(err, fault) {
				t.Fatalf("got %v, want %v", err, fault)
			}
		}
	}
}

// W-17: names cannot be hidden from who may choose one. Nobody asks for them by the thousand,
// or makes accounts by the thousand, from one address.
func TestRegistrationsOfOneAddress(t *testing.T) {
	t.Parallel()
	l := withLimits(t)
	register := func(address, name, password string) oauth.Code {
		t.Helper()
		_, _, err := l.grants.RegisterBrowser(t.Context(), "", l.browser(address), authn.NewUser{Username: name, Password: password})
		return refusalOf(t, err)
	}
	const good = "four quite unrelated words"
	for range 40 { // a slip tells nothing, and makes nothing
		if got := register("192.0.2.1", "eve", "easy"); got != oauth.WeakPassword {
			t.Fatalf("weak: %q", got)
		}
	}
	if got := register("192.0.2.1", "eve", good); got != "" {
		t.Fatalf("first: %q", got)
	}
	for range 29 {
		if got := register("192.0.2.1", "eve", good); got != oauth.UsernameTaken {
			t.Fatalf("taken: %q", got)
		}
	}

	for _, name := range []string{"eve", "nobody"} { // the same answer to both now
		if got := register("192.0.2.1", name, good); got != oauth.TooManyAttempts {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := register("192.0.2.2", "nobody", good); got != "" {
		t.Errorf("from elsewhere: %q", got)
	}
	if l.signIn("192.0.2.1", "mallory") != "" {
		t.Error("sign-ins are limited, too")
	}
}

// Each event is told once, of what happened, and none holds what somebody typed.
func TestSignInEvents(t *testing.T) {
	t.Parallel()
	l := withLimits(t)
	l.registerBrowser()
	b := l.browser("192.0.2.1")
	parked := l.authorize(b, nil).ID
	if _, _, err := l.grants.SignInBrowser(t.Context(), parked, b, "typed", "x"); refusalOf(t, err) != oauth.InvalidCredentials {
		t.Fatal(err)
	}
	next, session, err := l.grants.SignInBrowser(t.Context(), parked, b, "mallory", "x")
	if err != nil {
		t.Fatal(err)
	}
	b.Session = session
	if _, err := l.grants.Consent(t.Context(), next.ID, b, false); err != nil {
		t.Fatal(err)
	}
	if _, err := l.grants.Consent(t.Context(), l.authorize(b, nil).ID, b, true); err != nil {
		t.Fatal(err)
	}
	l.authorize(b, nil) // answered without a word, and so without an event
	for range 2 {
		if err := l.grants.RemoveConsent(t.Context(), b, "spa"); err != nil {
			t.Fatal(err)
		}
	}
	l.users.err = oauth.Errorf(oauth.TooManyAttempts, "wait")
	if got := l.signIn("192.0.2.1", "typed"); got != oauth.TooManyAttempts {
		t.Fatal(got)
	}
	other := l.browser("")
	if _, other.Session, err = l.grants.SignInBrowser(t.Context(), "", other, "mallory", "x"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.grants.EndOtherDevices(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := l.grants.SignOut(t.Context(), "", b, true); err != nil {
			t.Fatal(err)
		}
		if _, b.Session, err = l.grants.SignInBrowser(t.Context(), "", b, "mallory", "x"); err != nil {
			t.Fatal(err)
		}
	}

	ids := l.sessionIDs()
	want := []grants.Event{
		grants.SignInFailed{ClientID: "spa"},
		grants.SessionBegun{SessionID: ids[0], Subject: "mallory", ClientID: "spa"},
		grants.ConsentDenied{Subject: "mallory", ClientID: "spa"},
		grants.ConsentGiven{Subject: "mallory", ClientID: "spa", Scopes: oauth.Scopes{"read"}},
		grants.ConsentWithdrawn{Subject: "mallory", ClientID: "spa", Reason: "revoked_by_subject"},
		grants.SignInThrottled{By: grants.ByAccount},
		grants.SessionBegun{SessionID: ids[1], Subject: "mallory"},
		grants.SessionEnded{SessionID: ids[1], Subject: "mallory", Reason: "revoked_by_subject"},
		grants.SessionEnded{SessionID: ids[0], Subject: "mallory", Reason: "logout"},
		grants.SessionBegun{SessionID: ids[2], Subject: "mallory"},
		grants.SessionEnded{SessionID: ids[2], Subject: "mallory", Reason: "logout"},
		grants.SessionBegun{SessionID: ids[3], Subject: "mallory"},
	}
	if diff := cmp.Diff(want, l.told); diff != "" {
		t.Error(diff)
	}
}

// sessionIDs are those of the sessions that began, in order.
func (f *fixture) sessionIDs() (ids []string) {
	for _, e := range f.told {
		if e, ok := e.(grants.SessionBegun); ok {
			ids = append(ids, e.SessionID)
		}
	}
	return ids
}
