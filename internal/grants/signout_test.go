package grants_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// logoutQuery is of pairs of names and values.
func logoutQuery(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func (f *fixture) signOut(b grants.Browser, confirmed bool, pairs ...string) grants.SigningOut {
	f.t.Helper()
	out, err := f.grants.SignOut(f.t.Context(), logoutQuery(pairs...), b, confirmed)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// OIDC RP-Initiated Logout §2, §3 and W-10: when a browser is signed out, and where it goes.
func TestSignOut(t *testing.T) {
	t.Parallel()
	type want struct{ ask, ended, back, link bool }
	asked := want{ask: true}
	done := want{ended: true}
	back := want{ended: true, back: true}
	tests := []struct {
		name      string
		confirmed bool
		more      func(adas, bobs string) []string
		want      want
	}{
		{"an ID token of the person", false, func(adas, _ string) []string { return []string{"id_token_hint", adas} }, done},
		{"with a registered URI", false, func(adas, _ string) []string {
			return []string{"id_token_hint", adas, "post_logout_redirect_uri", goodbye}
		}, back},
		{"with its client, too", false, func(adas, _ string) []string {
			return []string{"id_token_hint", adas, "client_id", "rp", "post_logout_redirect_uri", goodbye}
		}, back},
		{"an unregistered URI: the person is asked", false, func(adas, _ string) []string {
			return []string{"id_token_hint", adas, "post_logout_redirect_uri", goodbye + "/"}
		}, asked},
		{"an unregistered URI, confirmed: and no redirect", true, func(adas, _ string) []string {
			return []string{"id_token_hint", adas, "post_logout_redirect_uri", goodbye + "/"}
		}, done},
		{"no hint", false, func(_, _ string) []string { return nil }, asked},
		{"no hint, confirmed", true, func(_, _ string) []string { return nil }, done},
		{"a client that anybody can name", false, func(_, _ string) []string {
			return []string{"client_id", "rp", "post_logout_redirect_uri", goodbye}
		}, asked},
		{"a client that anybody can name, confirmed", true, func(_, _ string) []string {
			return []string{"client_id", "rp", "post_logout_redirect_uri", goodbye}
		}, back},
		{"somebody else's ID token: the attacker's own", false, func(_, bobs string) []string {
			return []string{"id_token_hint", bobs, "post_logout_redirect_uri", goodbye}
		}, asked},
		{"a forged ID token", false, func(adas, _ string) []string {
			return []string{"id_token_hint", adas[:len(adas)-8] + "AAAAAAAA", "post_logout_redirect_uri", goodbye}
		}, asked},
		{"a forged ID token, confirmed: nobody knows whose URI it is", true, func(adas, _ string) []string {
			return []string{"id_token_hint", adas[:len(adas)-8] + "AAAAAAAA", "post_logout_redirect_uri", goodbye}
		}, done},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withOpenID(t)
			b := f.signedIn("ada")
			adas, bobs := f.tokensOf(b, "openid", nil), f.tokensOf(f.signedIn("bob"), "openid", nil)

			out := f.signOut(b, tt.confirmed, tt.more(adas.IDToken, bobs.IDToken)...)

			ended := f.count(`sessions where subject = 'ada'`) == 0
			if got := (want{out.Ask, ended, out.Return, out.Link}); got != tt.want {
				t.Errorf("asked, ended, back, link: got %v, want %v", got, tt.want)
			}
			if n := f.count(`sessions where subject = 'bob'`); n != 1 {
				t.Error("bob was signed out")
			}
			if _, err := f.tokens.UserInfo(t.Context(), adas.AccessToken); (err != nil) != tt.want.ended {
				t.Errorf("the family: %v", err)
			}
			if _, err := f.tokens.UserInfo(t.Context(), bobs.AccessToken); err != nil {
				t.Errorf("bob's family: %v", err)
			}
		})
	}
}

// OIDC RP-Initiated Logout §2: the two must fit.
func TestSignOutOfAnotherClient(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	b := f.signedIn("ada")
	r := f.tokensOf(b, "openid", nil)

	_, err := f.grants.SignOut(t.Context(), logoutQuery("id_token_hint", r.IDToken, "client_id", "spa"), b, true)

	refused(t, err, oauth.InvalidRequest)
	if f.count(`sessions where subject = 'ada'`) != 1 {
		t.Error("the session ended")
	}
}

// Where nobody is signed in any more there is nobody to ask, and the client's own family ends.
func TestSignOutWithoutASession(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	r := f.tokensOf(f.signedIn("ada"), "openid", nil)

	out := f.signOut(newBrowser(t), false, "client_id", "rp", "post_logout_redirect_uri", goodbye, "state", "s")
	if out.Ask || out.Return || !out.Link || out.Request.Location() != goodbye+"?state=s" {
		t.Errorf("without an ID token: %+v", out)
	}
	if _, err := f.tokens.UserInfo(t.Context(), r.AccessToken); err != nil {
		t.Errorf("and the family: %v", err)
	}
	out = f.signOut(newBrowser(t), false, "id_token_hint", r.IDToken, "post_logout_redirect_uri", goodbye)
	if out.Ask || !out.Return {
		t.Errorf("with an ID token: %+v", out)
	}
	_, err := f.tokens.UserInfo(t.Context(), r.AccessToken)
	refused(t, err, oauth.InvalidToken)
}

// OIDC RP-Initiated Logout §2: a hint that has expired is one, also when its key is not
// published any more; one of a revoked key is none.
func TestOldHints(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	hint := f.tokensOf(f.signedIn("ada"), "openid", nil).IDToken
	later := func(sql string) *fixture {
		f.exec(sql)
		return serve(t, f.pool, options{})
	}

	dbtest.SetClock(t, f.pool, 5*time.Hour)
	if _, err := f.tokens.Hint(t.Context(), hint); err != nil {
		t.Errorf("expired: %v", err)
	}
	if _, err := f.rings.Rotate(t.Context(), oauth.AccessRing, true); err != nil {
		t.Fatal(err)
	}
	dbtest.SetClock(t, f.pool, 200*24*time.Hour)
	if _, err := later(`select 1`).tokens.Hint(t.Context(), hint); err != nil {
		t.Errorf("of an expired key: %v", err)
	}
	if _, err := later(`update authd.signing_keys set revoked_at = authd.clock() where signs_until is not null`).tokens.Hint(t.Context(), hint); !errors.Is(err, tokens.ErrNoHint) {
		t.Errorf("of a revoked key: %v", err)
	}
}

// OIDC Back-Channel Logout §2.7: what ends with the session, and what was meant to outlive it.
func TestSignOutEndsFamilies(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	b := f.signedIn("ada")
	tests := []struct {
		name   string
		access string
		ends   bool
	}{
		{"openid", f.tokensOf(b, "openid", nil).AccessToken, true},
		{"openid of another client", f.tokensOf(b, "openid", map[string]string{"client_id": "spa"}).AccessToken, true},
		{"offline_access", f.tokensOf(b, "openid offline_access", nil).AccessToken, false},
		{"no openid", f.mustRedeem(f.codeIn(b, nil)).AccessToken, false},
		{"the person's other browser", f.tokensOf(f.signedIn("ada"), "openid", nil).AccessToken, false},
	}
	// Asked again, the person has another cookie and the same session.
	again := f.authorize(b, map[string]string{"prompt": "login"})
	f.signIn(&b, again.ID, "ada")
	last := f.tokensOf(b, "openid", nil)
	told := len(f.events)

	f.signOut(b, false, "id_token_hint", last.IDToken)

	secret := f.apiSecret()
	for _, tt := range tests {
		if active := f.introspect(secret, tt.access).Active; active == tt.ends {
			t.Errorf("%s: active is %t", tt.name, active)
		}
	}
	if f.introspect(secret, last.AccessToken).Active {
		t.Error("the one of the new cookie is active")
	}
	if n := f.count(`token_families where revoked_reason = 'logout'`); n != 3 || len(f.events)-told != 3 {
		t.Errorf("%d families ended and %d events, want 3", n, len(f.events)-told)
	}
}

// A session that somebody else takes over by signing in is another one.
func TestAnotherPersonIsAnotherSession(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	b := f.signedIn("ada")
	adas := f.tokensOf(b, "openid", nil)
	f.signIn(&b, f.authorize(b, map[string]string{"prompt": "login"}).ID, "bob")

	f.signOut(b, true)

	if _, err := f.tokens.UserInfo(t.Context(), adas.AccessToken); err != nil {
		t.Errorf("ada's family ended with bob's session: %v", err)
	}
}
