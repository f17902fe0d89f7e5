package grants_test

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// random is [rand.Reader], to be made by a literal.
type random struct{}

func (random) Read(b []byte) (int, error) { return rand.Read(b) }

func TestExchange(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)

	r := f.mustRedeem(f.code(map[string]string{"scope": "read write", "resource": "https://other.example"}))

	at := claims(t, r.AccessToken)
	if at["sub"] != "ada" || at["client_id"] != "spa" || at["scope"] != "read write" || at["aud"] != "https://other.example" ||
		at["fresh"] != true || at["sid"] == nil || at["auth_time"] == nil {
		t.Errorf("claims %v", at)
	}
	next, err := f.refreshAt(asPublic("spa"), r.RefreshToken, nil)
	if err != nil || claims(t, next.AccessToken)["sid"] != at["sid"] || claims(t, next.AccessToken)["aud"] != "https://other.example" {
		t.Errorf("refresh: %v", err)
	}
}

// What is refused is refused without an effect: the right redemption works after it.
func TestExchangeRefused(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	tests := []struct {
		name   string
		caller tokens.Caller
		more   map[string]string
		want   oauth.Code
	}{
		{"no code", asPublic("spa"), map[string]string{"code": ""}, oauth.InvalidRequest},
		{"verifier of 42 characters, P-06", asPublic("spa"), map[string]string{"code_verifier": verifier[1:]}, oauth.InvalidRequest},
		{"verifier of 129 characters, P-06", asPublic("spa"), map[string]string{"code_verifier": strings.Repeat("a", 129)}, oauth.InvalidRequest},
		{"verifier with a plus, P-06", asPublic("spa"), map[string]string{"code_verifier": verifier[1:] + "+"}, oauth.InvalidRequest},
		{"the challenge as verifier, P-06", asPublic("spa"), map[string]string{"code_verifier": challenge}, oauth.InvalidGrant},
		{"another verifier, P-05, P-18", asPublic("spa"), map[string]string{"code_verifier": verifier[1:] + "x"}, oauth.InvalidGrant},
		{"no verifier, RFC 7636 §4.6", asPublic("spa"), map[string]string{"code_verifier": ""}, oauth.InvalidGrant},
		{"another redirect_uri, P-14", asPublic("spa"), map[string]string{"redirect_uri": callback + "2"}, oauth.InvalidGrant},
		{"no redirect_uri, P-14", asPublic("spa"), map[string]string{"redirect_uri": ""}, oauth.InvalidGrant},
		{"another public client", asPublic("app"), nil, oauth.InvalidGrant},
		{"a confidential client of its own, P-12", f.shop(), nil, oauth.InvalidGrant},
		{"a wrong secret", basic(t, "web", "wrong"), nil, oauth.InvalidClient},
		{"more scope, P-19", asPublic("spa"), map[string]string{"scope": "read write"}, oauth.InvalidScope},
		{"another resource, RFC 8707 §2.2", asPublic("spa"), map[string]string{"resource": "https://evil.example"}, oauth.InvalidTarget},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code := f.code(nil)

			_, err := f.grants.Token(t.Context(), tt.caller, redemption(code, tt.more), oauth.Device{})

			refused(t, err, tt.want)
			if _, err := f.redeem(t.Context(), code, nil); err != nil {
				t.Errorf("the right redemption after it: %v", err)
			}
		})
	}
}

// P-16: a code is its text, and nothing like it.
func TestExchangeOfMangledCodes(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	one, two := f.code(nil), f.code(nil)
	for name, mangled := range map[string]string{
		"cut":        one[:42],
		"extended":   one + "A",
		"other case": swapCase(one),
		"padded":     one + "=",
		"swapped":    one[:20] + two[20:],
		"spaced":     one + " ",
		"a newline":  one[:20] + "\n" + one[20:],
		"one bit":    flipBit(one),
		"doubled":    one + one,
	} {
		_, err := f.redeem(t.Context(), mangled, nil)

		if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidGrant {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f.mustRedeem(one)
	f.mustRedeem(two)
}

func flipBit(s string) string {
	last := "A"
	if s[42] == 'A' {
		last = "Q" // four bits of the last character count
	}
	return s[:42] + last
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// P-05: five wrong attempts burn the code, four do not.
func TestWrongGuessesBurnACode(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	wrong := map[string]string{"code_verifier": verifier[1:] + "x"}
	for guesses, want := range map[int]oauth.Code{4: "", 5: oauth.InvalidGrant} {
		code := f.code(nil)
		for range guesses {
			_, err := f.redeem(t.Context(), code, wrong)
			refused(t, err, oauth.InvalidGrant)
		}

		_, err := f.redeem(t.Context(), code, nil)

		if want == "" && err != nil {
			t.Errorf("after %d: %v", guesses, err)
		}
		if want != "" {
			refused(t, err, want)
		}
	}
}

// P-12: a replay ends the family only if all that belongs to the code is right; P-20: also
// if it is the client that lost the answer.
func TestReplay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		caller func(*fixture) tokens.Caller
		more   map[string]string
		ends   bool
	}{
		{"with all that belongs to it, RFC 6749 §4.1.2", func(*fixture) tokens.Caller { return asPublic("spa") }, nil, true},
		{"with a wrong verifier", func(*fixture) tokens.Caller { return asPublic("spa") }, map[string]string{"code_verifier": verifier[1:] + "x"}, false},
		{"without a verifier", func(*fixture) tokens.Caller { return asPublic("spa") }, map[string]string{"code_verifier": ""}, false},
		{"with another redirect_uri", func(*fixture) tokens.Caller { return asPublic("spa") }, map[string]string{"redirect_uri": "https://spa.example/"}, false},
		{"by another client", func(f *fixture) tokens.Caller { return f.shop() }, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withBrowser(t)
			code := f.code(nil)
			r := f.mustRedeem(code)

			for range 6 { // more than would burn it
				_, err := f.grants.Token(t.Context(), tt.caller(f), redemption(code, tt.more), oauth.Device{})
				refused(t, err, oauth.InvalidGrant)
			}

			_, err := f.refreshAt(asPublic("spa"), r.RefreshToken, nil)
			if (err != nil) != tt.ends {
				t.Errorf("the family refreshes: %v", err)
			}
			if tt.ends && (f.revokedReason() != tokens.ReasonReplay || len(f.events) != 1) {
				t.Errorf("reason %q, %d events, want one", f.revokedReason(), len(f.events))
			}
		})
	}
}

// P-11: of any number of redemptions at once, on any number of replicas, one succeeds; the
// others are replays, so that its family has ended.
func TestExchangeConcurrently(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	replicas := []*fixture{f, serve(t, f.pool, options{grace: grace}), serve(t, f.pool, options{grace: grace})}
	code := f.code(nil)
	var granted, refusals atomic.Int32
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			_, err := replicas[i%3].redeem(t.Context(), code, nil)
			for errors.Is(err, db.ErrLocked) { // nothing was done
				_, err = replicas[i%3].redeem(t.Context(), code, nil)
			}
			e, ok := errors.AsType[*oauth.Error](err)
			switch {
			case err == nil:
				granted.Add(1)
			case ok && e.Code == oauth.InvalidGrant:
				refusals.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if granted.Load() != 1 || refusals.Load() != 31 {
		t.Errorf("%d granted and %d refused, want 1 and 31", granted.Load(), refusals.Load())
	}
	if n := f.count(`token_families`); n != 1 || f.revokedReason() != tokens.ReasonReplay {
		t.Errorf("%d families, reason %q", n, f.revokedReason())
	}
}

// P-12: a replay by the right client, which does not prove that it is that, ends nothing.
func TestReplayWithAWrongSecret(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	code := f.code(map[string]string{"client_id": "web"})
	r, err := f.grants.Token(t.Context(), f.web(), redemption(code, nil), oauth.Device{})
	if err != nil {
		t.Fatal(err)
	}

	for _, caller := range []tokens.Caller{basic(t, "web", "wrong"), asPublic("web")} {
		_, err := f.grants.Token(t.Context(), caller, redemption(code, nil), oauth.Device{})
		refused(t, err, oauth.InvalidClient)
	}

	if _, err := f.refreshAt(f.web(), r.RefreshToken, nil); err != nil || f.revokedReason() != "" {
		t.Errorf("the family refreshes: %v, reason %q", err, f.revokedReason())
	}
}

// P-15: what upkeep has deleted is as what never was.
func TestCodeIsDeleted(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	used, unused := f.code(nil), f.code(nil)
	r := f.mustRedeem(used)
	dbtest.SetClock(t, f.pool, 62*time.Minute)
	if out, err := f.db.DeleteExpiredCodes(t.Context(), time.Time{}, 10); err != nil || out.N < 2 {
		t.Fatalf("upkeep deletes %d, %v", out.N, err)
	}

	for _, code := range []string{used, unused} {
		_, err := f.redeem(t.Context(), code, nil)
		refused(t, err, oauth.InvalidGrant)
	}

	if _, err := f.refreshAt(asPublic("spa"), r.RefreshToken, nil); err != nil {
		t.Errorf("the family refreshes: %v", err)
	}
}

// P-15: a code lives a minute, by the database's clock.
func TestCodeExpires(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	in, late := f.code(nil), f.code(nil)

	dbtest.SetClock(t, f.pool, 10*time.Second)
	f.mustRedeem(in)
	dbtest.SetClock(t, f.pool, 61*time.Second)
	_, err := f.redeem(t.Context(), late, nil)

	refused(t, err, oauth.InvalidGrant)
}

// P-17, P-21: whatever ends grants ends the codes that are out.
func TestCodeEndsWithWhatItCameFrom(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(*fixture, grants.Browser) error
	}{
		{"the person is disabled", func(f *fixture, _ grants.Browser) error { return f.db.DisableSubject(f.t.Context(), "ada") }},
		{"the person's password changes, or all is ended", func(f *fixture, _ grants.Browser) error {
			_, err := f.db.EndSubject(f.t.Context(), "ada")
			return err
		}},
		{"the session is signed out", func(f *fixture, b grants.Browser) error { return f.grants.EndSession(f.t.Context(), b.Session) }},
		{"the client's grants are ended", func(f *fixture, _ grants.Browser) error { return f.db.EndClient(f.t.Context(), "spa") }},
		{"the client is disabled and enabled again", func(f *fixture, _ grants.Browser) error {
			return errors.Join(f.db.DisableClient(f.t.Context(), "spa"), f.db.EnableClient(f.t.Context(), "spa"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withBrowser(t)
			b := f.signedIn("ada")
			code := f.codeIn(b, nil)
			if err := tt.end(f, b); err != nil {
				t.Fatal(err)
			}

			_, err := f.redeem(t.Context(), code, nil)

			refused(t, err, oauth.InvalidGrant)
			if n := f.count(`token_families`); n != 0 {
				t.Errorf("%d families", n)
			}
		})
	}
}

// RFC 9700 §2.1.1 and §4.8.2: who may do without PKCE, and that it cannot be stripped.
func TestConfidentialClientsAndPKCE(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	noPKCE := map[string]string{"client_id": "web", "code_challenge": "", "code_challenge_method": ""}
	withNonce := map[string]string{"client_id": "web", "code_challenge": "", "code_challenge_method": "", "scope": "openid", "nonce": "n"}
	b := f.signedIn("ada")

	if a := f.answered(b, f.authorize(b, noPKCE)); a.Refusal == nil || a.Refusal.Code != oauth.InvalidRequest {
		t.Errorf("without challenge and nonce: %v", a.Params)
	}
	for name, redeem := range map[string]struct {
		more map[string]string
		want oauth.Code
	}{
		"no verifier": {map[string]string{"code_verifier": ""}, ""},
		"a verifier without a challenge, RFC 9700 §4.8.2": {nil, oauth.InvalidGrant},
	} {
		_, err := f.grants.Token(t.Context(), f.web(), redemption(f.codeIn(b, withNonce), redeem.more), oauth.Device{})
		if e, _ := errors.AsType[*oauth.Error](err); (err == nil) != (redeem.want == "") || e != nil && e.Code != redeem.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.exec(`update authd.clients set pkce_optional = true where client_id = 'web'`)
	if _, err := f.grants.Token(t.Context(), f.web(), redemption(f.codeIn(b, noPKCE), map[string]string{"code_verifier": ""}), oauth.Device{}); err != nil {
		t.Errorf("registered as optional: %v", err)
	}
}

// A family says where its person was, not where its client is.
func TestFamilyHasTheSessionsDevice(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := newBrowser(t)
	b.From = oauth.NewDevice(netip.MustParseAddr("2001:db8::7"), "Mozilla/5.0")
	f.signIn(&b, f.authorize(b, nil).ID, "ada")

	code := f.codeIn(b, nil)
	if _, err := f.grants.Token(t.Context(), asPublic("spa"), redemption(code, nil), oauth.NewDevice(netip.MustParseAddr("192.0.2.1"), "Go")); err != nil {
		t.Fatal(err)
	}

	if n := f.count(`token_families where first_address = '2001:db8::7' and first_user_agent = 'Mozilla/5.0'`); n != 1 {
		t.Errorf("%d families have it, want 1", n)
	}
}
