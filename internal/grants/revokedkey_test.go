package grants_test

import (
	"testing"

	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/internal/oauth"
)

// K-07: a server that has not heard of the revocation of a key asks the database, and
// neither says that a token of the key is active nor refreshes with one.
// S2-08, F-114: ending all that a key has signed.
func TestRevokedKeyIsOverAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	ada, bob := f.login("ada"), f.login("bob")
	elsewhere := keystest.Rings(t, f.pool)

	for _, ring := range []oauth.Ring{oauth.AccessRing, oauth.RefreshRing} {
		kid, err := elsewhere.Signing(ring)
		if err != nil {
			t.Fatal(err)
		}
		out, err := elsewhere.Revoke(t.Context(), kid)
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(2); ring == oauth.RefreshRing && out.Families != want {
			t.Errorf("%d families are said to be touched, want %d", out.Families, want)
		}
	}

	if f.introspect(secret, ada.AccessToken).Active {
		t.Error("an access token of the revoked key is active")
	}
	_, err := f.refresh(bob.RefreshToken)
	refused(t, err, oauth.InvalidGrant)
	if reason := f.revokedReason(); reason != "" {
		t.Errorf("a token of the revoked key ended its family: %s", reason)
	}
}
