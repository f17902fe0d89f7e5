package grants_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

const goodbye = "https://rp.example/bye"

// withOpenID adds the OpenID Connect client rp, which is public, to those of withBrowser.
func withOpenID(t *testing.T) *fixture {
	t.Helper()
	f := withBrowser(t)
	f.register(relyingParty("rp", oauth.AuthorizationCode, oauth.RefreshToken))
	return f
}

func relyingParty(id string, grantTypes ...oauth.GrantType) oauth.Client {
	return oauth.Client{
		ID: id, AuthMethod: oauth.AuthNone, GrantTypes: grantTypes, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{goodbye},
		Scopes:    oauth.Scopes{"openid", "profile", "email", "address", "phone", "offline_access", "read"},
		Audiences: []string{"https://api.example"},
	}
}

// tokensOf are those that client rp gets in the browser.
func (f *fixture) tokensOf(b grants.Browser, scope string, more map[string]string) grants.Response {
	f.t.Helper()
	request := map[string]string{"client_id": "rp", "scope": scope}
	maps.Copy(request, more)
	r, err := f.grants.Token(f.t.Context(), asPublic(request["client_id"]), redemption(f.codeIn(b, request), nil), oauth.Device{})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// P-26, OIDC Core §2, §3.1.3.6: exactly these members.
func TestIDToken(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)

	r := f.tokensOf(f.signedIn("ada"), "openid read", map[string]string{"nonce": "n-0S6_WzA2Mj"})

	at, got := claims(t, r.AccessToken), claims(t, r.IDToken)
	sum := sha256.Sum256([]byte(r.AccessToken))
	want := map[string]any{
		"iss": issuer, "sub": "ada", "aud": "rp", "exp": at["exp"], "iat": at["iat"], "auth_time": at["auth_time"], "nonce": "n-0S6_WzA2Mj",
		"amr": []any{"pwd"}, "sid": at["sid"], "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims: -want +got\n%s", diff)
	}
	c, err := oauth.ParseCompact(r.IDToken)
	if err != nil || c.Typ != "JWT" || c.Kid == "" {
		t.Errorf("typ %q, kid %q: %v", c.Typ, c.Kid, err)
	}
	if _, err := f.rings.Verify(t.Context(), oauth.AccessRing, oauth.TypeIDToken, r.IDToken); err != nil {
		t.Errorf("by the published ring: %v", err)
	}
	if r := f.tokensOf(f.signedIn("ada"), "read", nil); r.IDToken != "" {
		t.Error("an ID token without openid")
	}
}

// OIDC Core §12.2: the same person and the same sign-in, and no nonce.
func TestIDTokenOfARefresh(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	first := f.tokensOf(f.signedIn("ada"), "openid offline_access read", map[string]string{"nonce": "n"})
	dbtest.SetClock(t, f.pool, 5*time.Minute)

	next, err := f.refreshAt(asPublic("rp"), first.RefreshToken, nil)
	if err != nil {
		t.Fatal(err)
	}

	before, after := claims(t, first.IDToken), claims(t, next.IDToken)
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
		if cmp.Diff(before[name], after[name]) != "" {
			t.Errorf("%s was %v and is %v", name, before[name], after[name])
		}
	}
	if after["nonce"] != nil || after["at_hash"] == before["at_hash"] || after["iat"] == before["iat"] {
		t.Errorf("claims %v", after)
	}
	narrow, err := f.refreshAt(asPublic("rp"), next.RefreshToken, oauth.Form{"scope": "read"})
	if err != nil || narrow.IDToken != "" {
		t.Errorf("without openid: an ID token %t, %v", narrow.IDToken != "", err)
	}
}

// an ID token opens nothing here.
func TestIDTokenIsNoAccessToken(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	r := f.tokensOf(f.signedIn("ada"), "openid offline_access", nil)

	if got := f.introspect(f.apiSecret(), r.IDToken); got != (tokens.Introspection{}) {
		t.Errorf("introspection: %v", got)
	}
	_, err := f.tokens.UserInfo(t.Context(), r.IDToken)
	refused(t, err, oauth.InvalidToken)
	_, err = f.refreshAt(asPublic("rp"), r.IDToken, nil)
	refused(t, err, oauth.InvalidGrant)
	if err := f.tokens.Revoke(t.Context(), asPublic("rp"), r.IDToken, tokens.ReasonClient); err != nil {
		t.Errorf("revocation, RFC 7009 §2.2: %v", err)
	}
	if _, err := f.refreshAt(asPublic("rp"), r.RefreshToken, nil); err != nil {
		t.Errorf("the family after all that: %v", err)
	}
	// The other way round, an access token is no hint.
	if _, err := f.tokens.Hint(t.Context(), r.AccessToken); !errors.Is(err, tokens.ErrNoHint) {
		t.Errorf("an access token as hint: %v", err)
	}
}

// OIDC Core §11, and that nothing changes without openid.
func TestOfflineAccess(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, client, scope string
		refreshes           bool
		wantScope           string
	}{
		{"openid alone", "rp", "openid read", false, "openid read"},
		{"openid and offline_access", "rp", "openid offline_access read", true, "openid offline_access read"},
		{"no openid: as registered", "rp", "read", true, "read"},
		{"offline_access without openid is a scope like any other", "rp", "offline_access read", true, "offline_access read"},
		{"offline_access at a client without the grant is left out", "short", "openid offline_access read", false, "openid read"},
		{"no openid, and not registered", "short", "read", false, "read"},
	}
	f := withOpenID(t)
	f.register(relyingParty("short", oauth.AuthorizationCode))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			r := f.tokensOf(f.signedIn("ada"), tt.scope, map[string]string{"client_id": tt.client})

			if (r.RefreshToken != "") != tt.refreshes || r.Scope != tt.wantScope {
				t.Errorf("refresh token %t, scope %q; want %t, %q", r.RefreshToken != "", r.Scope, tt.refreshes, tt.wantScope)
			}
		})
	}
}

// OIDC Core §11: nobody's registration stands for the person's word.
func TestOfflineAccessIsAsked(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	own := relyingParty("rp", oauth.AuthorizationCode, oauth.RefreshToken)
	own.FirstParty = true
	f.register(own)
	b := f.signedIn("ada")
	online := map[string]string{"client_id": "rp", "scope": "openid"}
	offline := map[string]string{"client_id": "rp", "scope": "openid offline_access"}
	silent := map[string]string{"client_id": "rp", "scope": "openid offline_access", "prompt": "none"}

	if next := f.authorize(b, online); next.Step != grants.StepAnswer {
		t.Errorf("online: step %d", next.Step)
	}
	if a := f.authorize(b, silent).Answer; a == nil || a.Refusal == nil || a.Refusal.Code != oauth.ConsentRequired {
		t.Errorf("silently, before: %v", a)
	}
	if next := f.authorize(b, offline); next.Step != grants.StepConsent {
		t.Errorf("offline: step %d", next.Step)
	}
	f.codeIn(b, offline)
	if param(f.authorize(b, silent).Answer, "code") == "" {
		t.Error("silently, after it was allowed: no code")
	}
}

// OIDC Core §5.3.2, §5.4: exactly what the scopes ask for, and sub.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	f.exec(`insert into authd.users (sub, username, username_key, password_hash, email, name)
values ('usr_ada', 'Ada', 'ada', 'x', 'ada@example.com', 'Ada Lovelace'), ('usr_bob', 'bob', 'bob', 'x', '', '')`)
	b, bob, host := f.signedIn("usr_ada"), f.signedIn("usr_bob"), f.signedIn("host-1")
	tests := []struct {
		name    string
		browser grants.Browser
		scope   string
		want    map[string]any
	}{
		{"openid alone", b, "openid read", map[string]any{"sub": "usr_ada"}},
		{"profile", b, "openid profile", map[string]any{"sub": "usr_ada", "preferred_username": "Ada", "name": "Ada Lovelace"}},
		{"email, which nobody verified", b, "openid email", map[string]any{"sub": "usr_ada", "email": "ada@example.com", "email_verified": false}},
		{"what is not there is left out", bob, "openid profile email address phone", map[string]any{"sub": "usr_bob", "preferred_username": "bob"}},
		{"one of the host's", host, "openid profile email", map[string]any{"sub": "host-1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got, err := f.tokens.UserInfo(t.Context(), f.tokensOf(tt.browser, tt.scope, nil).AccessToken)

			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got\n%s", err, diff)
			}
		})
	}
}

// The host's word counts more, and for no more than the scopes ask for.
func TestUserInfoOfTheHost(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	f.exec(`insert into authd.users (sub, username, username_key, password_hash, email, name) values ('usr_ada', 'ada', 'ada', 'x', '', 'Old')`)
	access := f.tokensOf(f.signedIn("usr_ada"), "openid profile address", nil).AccessToken
	host := map[string]any{
		"name": "New", "email": "ada@example.com", "address": map[string]any{"country": "KR"}, "phone_number": "+82", "groups": []string{"staff"},
	}
	s := tokens.New(tokens.Config{DB: f.db, Keys: f.rings, Issuer: issuer, UserInfo: func(_ context.Context, sub string, scopes []string) (map[string]any, error) {
		if sub != "usr_ada" || strings.Join(scopes, " ") != "openid profile address" {
			t.Errorf("asked for %s, %v", sub, scopes)
		}
		return host, nil
	}})

	got, err := s.UserInfo(t.Context(), access)

	want := map[string]any{"sub": "usr_ada", "preferred_username": "ada", "name": "New", "address": map[string]any{"country": "KR"}, "groups": []string{"staff"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	for _, name := range []string{"sub", "iss", "aud"} {
		host = map[string]any{name: "forged"}
		if _, err := s.UserInfo(t.Context(), access); err == nil || !strings.Contains(err.Error(), strconv.Quote(name)) {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
	}
}

// OIDC Core §5.3.3, RFC 6750 §3.1; the database has the word.
func TestUserInfoRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		token func(*fixture) string
		want  oauth.Code
	}{
		{"garbage", func(*fixture) string { return "x" }, oauth.InvalidToken},
		{"no openid", func(f *fixture) string { return f.tokensOf(f.signedIn("ada"), "profile", nil).AccessToken }, oauth.InsufficientScope},
		{"a client's own token", func(f *fixture) string {
			f.exec(`update authd.clients set scope = '{openid}' where client_id = 'shop'`)
			r, err := f.clientCredentials(oauth.Form{"scope": "openid"})
			if err != nil {
				f.t.Fatal(err)
			}
			return r.AccessToken
		}, oauth.InvalidToken},
		{"the person was disabled since", func(f *fixture) string {
			r := f.tokensOf(f.signedIn("ada"), "openid", nil)
			if err := f.db.DisableSubject(f.t.Context(), "ada"); err != nil {
				f.t.Fatal(err)
			}
			return r.AccessToken
		}, oauth.InvalidToken},
		{"revoked", func(f *fixture) string {
			r := f.tokensOf(f.signedIn("ada"), "openid", nil)
			if err := f.tokens.Revoke(f.t.Context(), asPublic("rp"), r.AccessToken, tokens.ReasonClient); err != nil {
				f.t.Fatal(err)
			}
			return r.AccessToken
		}, oauth.InvalidToken},
		{"expired", func(f *fixture) string {
			r := f.tokensOf(f.signedIn("ada"), "openid", nil)
			dbtest.SetClock(f.t, f.pool, time.Hour)
			return r.AccessToken
		}, oauth.InvalidToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withOpenID(t)

			_, err := f.tokens.UserInfo(t.Context(), tt.token(f))

			refused(t, err, tt.want)
		})
	}
}

// OIDC Core §3.1.2.1: whom the client names, or nobody.
func TestSubjectHint(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	adas := f.tokensOf(f.signedIn("ada"), "openid", nil).IDToken
	hinted := func(more map[string]string) map[string]string {
		all := map[string]string{"client_id": "rp", "scope": "openid", "id_token_hint": adas}
		maps.Copy(all, more)
		return all
	}
	silent := map[string]string{"prompt": "none"}
	refusal := func(n grants.Next) oauth.Code {
		if n.Answer == nil || n.Answer.Refusal == nil {
			return ""
		}
		return n.Answer.Refusal.Code
	}

	if a := f.authorize(f.signedIn("ada"), hinted(silent)).Answer; param(a, "code") == "" {
		t.Errorf("the person named is signed in: %v", a.Params)
	}
	bobs := f.signedIn("bob")
	if got := refusal(f.authorize(bobs, hinted(silent))); got != oauth.LoginRequired {
		t.Errorf("somebody else, silently: %q", got)
	}
	if got := refusal(f.authorize(bobs, hinted(map[string]string{"id_token_hint": "x"}))); got != oauth.InvalidRequest {
		t.Errorf("no ID token: %q", got)
	}
	next := f.authorize(bobs, hinted(nil))
	if next.Step != grants.StepSignIn {
		t.Fatalf("somebody else: step %d, want to sign in", next.Step)
	}
	if got := refusal(f.signIn(&bobs, next.ID, "bob")); got != oauth.LoginRequired {
		t.Errorf("who signs in as somebody else again: %q", got)
	}
	next = f.authorize(bobs, hinted(nil))
	if got := f.signIn(&bobs, next.ID, "ada"); got.Step != grants.StepAnswer || refusal(got) != "" {
		t.Errorf("who signs in as the person named: step %d, %q", got.Step, refusal(got))
	}
}

func TestResponseWithoutIDTokenHasNoMember(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(grants.Response{AccessToken: "a"})
	if err != nil || strings.Contains(string(body), "id_token") {
		t.Errorf("%s %v", body, err)
	}
}
