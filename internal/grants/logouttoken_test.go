package grants_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

func (f *fixture) logoutToken(l tokens.Logout) string {
	f.t.Helper()
	raw, err := f.tokens.MintLogout(f.t.Context(), l)
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// OIDC Back-Channel Logout §2.4: exactly these members, and no nonce.
func TestLogoutToken(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	l := tokens.Logout{ClientID: "rp", Subject: "ada", FamilyID: "0198a3e2-0000-7000-8000-000000000001", IssuedAt: time.Unix(1_800_000_000, 999)}

	raw := f.logoutToken(l)

	got := claims(t, raw)
	jti, _ := got["jti"].(string)
	delete(got, "jti")
	want := map[string]any{
		"iss": issuer, "sub": "ada", "aud": "rp", "iat": 1_800_000_000.0, "exp": 1_800_000_120.0, "sid": l.FamilyID,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims: -want +got\n%s", diff)
	}
	if jti == "" || claims(t, f.logoutToken(l))["jti"] == jti {
		t.Errorf("jti %q, twice", jti)
	}
	c, err := oauth.ParseCompact(raw)
	if err != nil || c.Typ != "logout+jwt" {
		t.Errorf("typ %q: %v", c.Typ, err)
	}
	if _, err := f.rings.VerifyPast(t.Context(), oauth.AccessRing, oauth.TypeLogoutToken, raw); err != nil {
		t.Errorf("by the published ring: %v", err)
	}
}

// J-28, RFC 8725 §3.11: a logout token opens nothing here, and speaks for nobody.
func TestLogoutTokenIsNoOther(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	b := f.signedIn("ada")
	r := f.tokensOf(b, "openid offline_access", nil)
	now, err := f.db.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw := f.logoutToken(tokens.Logout{
		ClientID: "rp", Subject: "ada", FamilyID: claims(t, r.IDToken)["sid"].(string), IssuedAt: now,
	})

	if got := f.introspect(f.apiSecret(), raw); got != (tokens.Introspection{}) {
		t.Errorf("introspection: %v", got)
	}
	_, err = f.tokens.UserInfo(t.Context(), raw)
	refused(t, err, oauth.InvalidToken)
	_, err = f.refreshAt(asPublic("rp"), raw, nil)
	refused(t, err, oauth.InvalidGrant)
	if err := f.tokens.Revoke(t.Context(), asPublic("rp"), raw, tokens.ReasonClient); err != nil {
		t.Errorf("revocation, RFC 7009 §2.2: %v", err)
	}
	if _, err := f.tokens.Hint(t.Context(), raw); !errors.Is(err, tokens.ErrNoHint) {
		t.Errorf("as a hint: %v", err)
	}
	if out := f.signOut(b, false, "id_token_hint", raw); !out.Ask || out.Client != nil || f.count(`sessions where subject = 'ada'`) != 1 {
		t.Errorf("at the logout endpoint: %+v, want that the person is asked as for no hint", out)
	}
	if _, err := f.refreshAt(asPublic("rp"), r.RefreshToken, nil); err != nil {
		t.Errorf("the family after all that: %v", err)
	}
}
