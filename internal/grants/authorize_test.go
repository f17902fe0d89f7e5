package grants_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
)

// A person signs in once and consents once; then a request is answered without a word.
func TestSignInConsentAnswer(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := newBrowser(t)

	first := f.authorize(b, nil)
	second := f.signIn(&b, first.ID, "ada")
	third, err := f.grants.Consent(t.Context(), second.ID, b, true)
	if err != nil {
		t.Fatal(err)
	}
	again := f.authorize(b, map[string]string{"state": "2"})

	if steps := []grants.Step{first.Step, second.Step, third.Step, again.Step}; !cmp.Equal(steps,
		[]grants.Step{grants.StepSignIn, grants.StepConsent, grants.StepAnswer, grants.StepAnswer}) {
		t.Errorf("steps %v", steps)
	}
	if second.Session.Username != "ada" || second.Session.Subject != "ada" || !cmp.Equal(second.New, oauth.Scopes{"read"}) {
		t.Errorf("consent is asked of %+v for %v", second.Session, second.New)
	}
	for _, a := range []*oauth.AuthorizationAnswer{third.Answer, again.Answer} {
		if a.Refusal != nil || len(param(a, "code")) != 43 || param(a, "iss") != issuer || !strings.HasPrefix(a.Location(), callback+"?code=") {
			t.Errorf("answer %v", a.Params)
		}
	}
	if param(third.Answer, "state") != "s" || param(again.Answer, "state") != "2" {
		t.Errorf("states %q and %q", param(third.Answer, "state"), param(again.Answer, "state"))
	}
	if n := f.count(`authorization_requests`); n != 0 {
		t.Errorf("%d requests are still parked", n)
	}
}

// RFC 6749 §4.1.2.1: these are told a person, and the browser is sent nowhere.
func TestNeverRedirected(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	f.register(oauth.Client{
		ID: "two", AuthMethod: oauth.AuthNone, GrantTypes: []oauth.GrantType{oauth.AuthorizationCode}, RedirectURIs: []string{callback, callback + "2"},
	})
	tests := []struct {
		name string
		more map[string]string
	}{
		{"no client_id, A-06", map[string]string{"client_id": ""}},
		{"unknown client, A-06", map[string]string{"client_id": "nobody"}},
		{"a redirect_uri that is not registered", map[string]string{"redirect_uri": "https://evil.example/cb"}},
		{"with prompt=none, A-14", map[string]string{"redirect_uri": "https://evil.example/cb", "prompt": "none"}},
		{"with another error beside it", map[string]string{"redirect_uri": callback + "?code=evil", "response_type": "token"}},
		{"no redirect_uri, although only one is registered, A-05", map[string]string{"redirect_uri": ""}},
		{"no redirect_uri where two are registered, A-05", map[string]string{"client_id": "two", "redirect_uri": ""}},
		{"a client without redirect URIs", map[string]string{"client_id": "shop"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			next, err := f.grants.Authorize(t.Context(), request(tt.more), newBrowser(t))

			refused(t, err, oauth.InvalidRequest)
			if next.Answer != nil {
				t.Errorf("answer %v", next.Answer)
			}
		})
	}
}

// These are told the client, with its state and the issuer.
func TestToldTheClient(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	f.register(oauth.Client{ID: "nogrant", GrantTypes: []oauth.GrantType{oauth.ClientCredentials}, RedirectURIs: []string{callback}})
	tests := []struct {
		name string
		more map[string]string
		want oauth.Code
	}{
		{"response_type token", map[string]string{"response_type": "token"}, oauth.UnsupportedResponseType},
		{"a public client without PKCE, RFC 9700 §2.1.1", map[string]string{"code_challenge": "", "code_challenge_method": ""}, oauth.InvalidRequest},
		{"with a nonce, too", map[string]string{"code_challenge": "", "code_challenge_method": "", "scope": "openid", "nonce": "n"}, oauth.InvalidRequest},
		{"scope beyond the client's, A-27", map[string]string{"scope": "read admin"}, oauth.InvalidScope},
		{"resource that is not the client's, A-27", map[string]string{"resource": "https://evil.example"}, oauth.InvalidTarget},
		{"resource with a fragment, A-27", map[string]string{"resource": "https://api.example#x"}, oauth.InvalidTarget},
		{"request_uri, A-17", map[string]string{"request_uri": "http://169.254.169.254/"}, oauth.RequestURINotSupported},
		{"a client without the grant type", map[string]string{"client_id": "nogrant"}, oauth.UnauthorizedClient},
		{"prompt=none and nobody is signed in, A-14", map[string]string{"prompt": "none"}, oauth.LoginRequired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			a := f.authorize(newBrowser(t), tt.more).Answer

			if a == nil || param(a, "error") != string(tt.want) || param(a, "state") != "s" || param(a, "iss") != issuer || param(a, "code") != "" {
				t.Errorf("answer %+v, want %s", a, tt.want)
			}
		})
	}
}

// What a signed-in person is asked again (OIDC Core §3.1.2.1).
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	f.register(oauth.Client{
		ID: "own", AuthMethod: oauth.AuthNone, Scopes: oauth.Scopes{"read"}, RedirectURIs: []string{callback, "http://127.0.0.1/cb"}, FirstParty: true,
	})
	f.register(oauth.Client{
		ID: "native", AuthMethod: oauth.AuthNone, Scopes: oauth.Scopes{"read"}, RedirectURIs: []string{"com.example.app:/cb"},
	})
	b := f.signedIn("ada")
	f.codeIn(b, nil) // ada has allowed spa to read
	f.codeIn(b, map[string]string{"client_id": "native", "redirect_uri": "com.example.app:/cb"})
	dbtest.SetClock(t, f.pool, 100*time.Second)
	tests := []struct {
		name string
		more map[string]string
		want grants.Step
		code oauth.Code // of the refusal
	}{
		{"nothing", nil, grants.StepAnswer, ""},
		{"prompt=none", map[string]string{"prompt": "none"}, grants.StepAnswer, ""},
		{"prompt=login", map[string]string{"prompt": "login"}, grants.StepSignIn, ""},
		{"prompt=select_account", map[string]string{"prompt": "select_account"}, grants.StepSignIn, ""},
		{"prompt=consent", map[string]string{"prompt": "consent"}, grants.StepConsent, ""},
		{"max_age that is not over", map[string]string{"max_age": "1000"}, grants.StepAnswer, ""},
		{"max_age that is over, A-16", map[string]string{"max_age": "99"}, grants.StepSignIn, ""},
		{"max_age=0, A-16", map[string]string{"max_age": "0"}, grants.StepSignIn, ""},
		{"max_age that is over, with prompt=none", map[string]string{"max_age": "99", "prompt": "none"}, grants.StepAnswer, oauth.LoginRequired},
		{"more scope than was allowed, A-24", map[string]string{"scope": "read write"}, grants.StepConsent, ""},
		{"more scope, with prompt=none, A-14", map[string]string{"scope": "write", "prompt": "none"}, grants.StepAnswer, oauth.ConsentRequired},
		{"all of the client's scopes, by naming none", map[string]string{"scope": ""}, grants.StepConsent, ""},
		{"a client that was allowed nothing", map[string]string{"client_id": "web"}, grants.StepConsent, ""},
		{"a first-party client is not asked about", map[string]string{"client_id": "own"}, grants.StepAnswer, ""},
		{"but on a loopback address, RFC 8252 §8.6", map[string]string{"client_id": "own", "redirect_uri": "http://127.0.0.1:4711/cb"}, grants.StepConsent, ""},
		{"a scheme that any program can claim, RFC 8252 §8.6", map[string]string{"client_id": "native", "redirect_uri": "com.example.app:/cb"}, grants.StepConsent, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			next := f.authorize(b, tt.more)

			if next.Step != tt.want {
				t.Fatalf("step %d, want %d", next.Step, tt.want)
			}
			if next.Answer != nil && param(next.Answer, "error") != string(tt.code) {
				t.Errorf("answer %v, want %q", next.Answer.Params, tt.code)
			}
		})
	}
}

// prompt=login is satisfied by a sign-in since the request began, and by no earlier one.
func TestSignedInAgain(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	f.codeIn(b, nil)
	for _, more := range []map[string]string{{"prompt": "login"}, {"max_age": "0"}, {"prompt": "select_account"}} {
		id := f.authorize(b, more).ID
		if next, err := f.grants.Resume(t.Context(), id, b); err != nil || next.Step != grants.StepSignIn {
			t.Errorf("%v: step %d, %v before the sign-in", more, next.Step, err)
		}
		if next, err := f.grants.Consent(t.Context(), id, b, true); err != nil || next.Step != grants.StepSignIn {
			t.Errorf("%v: step %d, %v when asked for the last step, W-15", more, next.Step, err)
		}

		if next := f.signIn(&b, id, "ada"); next.Step != grants.StepAnswer || next.Answer.Refusal != nil {
			t.Errorf("%v: step %d after the sign-in", more, next.Step)
		}
	}
}

// D-24, A-21: a request belongs to the browser in which it began.
func TestParkedRequestOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	attacker, victim := newBrowser(t), f.signedIn("victim")
	id := f.authorize(attacker, nil).ID

	_, errResume := f.grants.Resume(t.Context(), id, victim)
	_, _, errSignIn := f.grants.SignInBrowser(t.Context(), id, victim, "victim", "")
	_, errConsent := f.grants.Consent(t.Context(), id, victim, true)
	_, errDeny := f.grants.Consent(t.Context(), id, victim, false)
	_, errNone := f.grants.Resume(t.Context(), id, grants.Browser{Session: victim.Session})

	for _, err := range []error{errResume, errSignIn, errConsent, errDeny, errNone} {
		refused(t, err, oauth.Expired)
	}
	if next, err := f.grants.Resume(t.Context(), id, attacker); err != nil || next.Step != grants.StepSignIn {
		t.Errorf("its own browser: step %d, %v", next.Step, err)
	}
}

// of any number of answers to one request, on any number of replicas, one is given.
func TestConsentConcurrently(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	replica := serve(t, f.pool, options{grace: grace})
	b := f.signedIn("ada")
	id := f.authorize(b, nil).ID
	var answers atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			next, err := []*fixture{f, replica}[i%2].grants.Consent(t.Context(), id, b, i%4 != 0)
			if err == nil && next.Answer != nil {
				answers.Add(1)
				return
			}
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.Expired {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if n := f.count(`authorization_codes`); answers.Load() != 1 || n > 1 {
		t.Errorf("%d answers and %d codes, want one answer", answers.Load(), n)
	}
}

//
func TestDenied(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	id := f.authorize(b, nil).ID

	next, err := f.grants.Consent(t.Context(), id, b, false)
	if err != nil {
		t.Fatal(err)
	}

	if a := next.Answer; param(a, "error") != "access_denied" || param(a, "state") != "s" || param(a, "iss") != issuer || param(a, "code") != "" {
		t.Errorf("answer %v", a.Params)
	}
	_, err = f.grants.Consent(t.Context(), id, b, true)
	refused(t, err, oauth.Expired)
	if n := f.count(`consents`) + f.count(`authorization_codes`); n != 0 {
		t.Errorf("%d consents and codes", n)
	}
}

// the client is looked at again with each step.
func TestClientChangesDuringTheFlow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, change string
		want         oauth.Code
	}{
		{"disabled", `update authd.clients set disabled_at = now() where client_id = 'spa'`, oauth.InvalidRequest},
		{"deleted", `update authd.clients set deleted_at = now(), epoch = epoch + 1 where client_id = 'spa'`, oauth.InvalidRequest},
		{"redirect URI taken away", `update authd.clients set redirect_uris = '{https://spa.example/new}' where client_id = 'spa'`, oauth.InvalidRequest},
		{"all its grants ended", `update authd.clients set epoch = epoch + 1 where client_id = 'spa'`, oauth.Expired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withBrowser(t)
			b := f.signedIn("ada")
			id := f.authorize(b, nil).ID
			f.exec(tt.change)

			_, err := f.grants.Consent(t.Context(), id, b, true)

			refused(t, err, tt.want)
			if n := f.count(`authorization_codes`); n != 0 {
				t.Errorf("%d codes", n)
			}
		})
	}
}

// what is consented to is what was parked, and consents add up.
func TestConsentsAreRemembered(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	f.codeIn(b, map[string]string{"scope": "read"})

	next := f.authorize(b, map[string]string{"scope": "read write"})
	if !cmp.Equal(next.Scopes, oauth.Scopes{"read", "write"}) || !cmp.Equal(next.New, oauth.Scopes{"write"}) {
		t.Errorf("asked for %v, new %v", next.Scopes, next.New)
	}
	f.answered(b, next)

	for _, scope := range []string{"read", "write", "read write"} {
		if got := f.authorize(b, map[string]string{"scope": scope}).Step; got != grants.StepAnswer {
			t.Errorf("%s: step %d", scope, got)
		}
	}
	bob := f.signedIn("bob")
	if got := f.authorize(bob, nil).Step; got != grants.StepConsent {
		t.Errorf("somebody else: step %d", got)
	}
	if err := f.db.EndClient(t.Context(), "spa"); err != nil {
		t.Fatal(err)
	}
	if got := f.authorize(b, nil).Step; got != grants.StepConsent {
		t.Errorf("in a later epoch of the client: step %d", got)
	}
}

// W-02: a sign-in makes a new identifier, and the one before is dead.
func TestSignInReplacesTheSession(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	before := b
	f.signIn(&b, f.authorize(b, map[string]string{"prompt": "login"}).ID, "bob")

	if b.Session == before.Session || f.count(`sessions`) != 1 {
		t.Errorf("%d sessions", f.count(`sessions`))
	}
	if got := f.authorize(before, nil).Step; got != grants.StepSignIn {
		t.Errorf("with the old cookie: step %d", got)
	}
	if next := f.authorize(b, nil); next.Session == nil || next.Session.Subject != "bob" {
		t.Errorf("session %+v, want bob's", next.Session)
	}
	planted := b
	planted.Session = "planted-by-somebody-else-planted-by-somebod"
	if got := f.authorize(planted, nil).Step; got != grants.StepSignIn {
		t.Errorf("with a planted cookie: step %d", got)
	}
}

// W-13.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(*fixture, grants.Browser)
		want grants.Step
	}{
		{"not by a day less a minute", func(f *fixture, _ grants.Browser) { dbtest.SetClock(f.t, f.pool, 24*time.Hour-time.Minute) }, grants.StepConsent},
		{"after a day without use", func(f *fixture, _ grants.Browser) { dbtest.SetClock(f.t, f.pool, 24*time.Hour+time.Second) }, grants.StepSignIn},
		{"not while it is used", func(f *fixture, b grants.Browser) {
			for day := range 6 {
				dbtest.SetClock(f.t, f.pool, time.Duration(day)*23*time.Hour)
				f.authorize(b, nil)
			}
		}, grants.StepConsent},
		{"after a week, used or not", func(f *fixture, b grants.Browser) {
			for day := range 9 {
				dbtest.SetClock(f.t, f.pool, time.Duration(day)*22*time.Hour)
				f.authorize(b, nil)
			}
		}, grants.StepSignIn},
		{"when its subject is disabled", func(f *fixture, _ grants.Browser) {
			if err := f.db.DisableSubject(f.t.Context(), "ada"); err != nil {
				f.t.Fatal(err)
			}
		}, grants.StepSignIn},
		{"when all of its subject is ended", func(f *fixture, _ grants.Browser) {
			if _, err := f.db.EndSubject(f.t.Context(), "ada"); err != nil {
				f.t.Fatal(err)
			}
		}, grants.StepSignIn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withBrowser(t)
			b := f.signedIn("ada")
			tt.end(f, b)

			if got := f.authorize(b, nil).Step; got != tt.want {
				t.Errorf("step %d, want %d", got, tt.want)
			}
		})
	}
}

// A-26, W-12: who reads the database can use nothing of it.
func TestOnlyHashesAreStored(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	code := f.codeIn(b, nil)
	id := f.authorize(b, map[string]string{"prompt": "login"}).ID
	for _, table := range []string{"sessions", "authorization_requests", "authorization_codes"} {
		var text string
		err := f.pool.QueryRow(t.Context(), `select string_agg(r::text, ' ') from authd.`+table+` r`).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{b.ID, b.Session, code, id} {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s holds a secret", table)
			}
		}
	}
}

// one origin parks so many requests, the others are not concerned, and time heals it.
func TestQuotaOfParkedRequests(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	at := func(address string) grants.Browser {
		b := newBrowser(t)
		b.From.Address = netip.MustParseAddr(address)
		return b
	}
	f.authorize(at("2001:db8::1"), nil)
	f.fillQuota("2001:db8::/64")

	_, err := f.grants.Authorize(t.Context(), request(nil), at("2001:db8::ffff"))

	if e := refused(t, err, oauth.TemporarilyUnavailable); e.HTTPStatus() != 429 {
		t.Errorf("status %d", e.HTTPStatus())
	}
	for _, b := range []grants.Browser{at("2001:db8:0:1::1"), newBrowser(t)} {
		if got := f.authorize(b, nil).Step; got != grants.StepSignIn {
			t.Errorf("from %v: step %d", b.From.Address, got)
		}
	}
	dbtest.SetClock(t, f.pool, 16*time.Minute)
	if got := f.authorize(at("2001:db8::1"), nil).Step; got != grants.StepSignIn {
		t.Errorf("later: step %d", got)
	}
	if out, err := f.db.DeleteExpiredRequests(t.Context(), time.Time{}, 5000); err != nil || out.N < 1000 {
		t.Errorf("upkeep deletes %d, %v", out.N, err)
	}
}
