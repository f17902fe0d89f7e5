package browser

import (
	"net/url"
	"testing"
)

// OIDC RP-Initiated Logout §2.
func TestAClientSignsPeopleOut(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	v := p.goThrough(nil)

	p.visit(logout(url.Values{"id_token_hint": {v.idToken}, "post_logout_redirect_uri": {shopAt + "/bye"}, "state": {"s-1"}}))

	p.see("Goodbye")
	p.at(shopAt, "/bye")
	p.reads("s-1")
	p.isSignedOut()
}

// W-10: whoever can send a browser here does not sign people out.
func TestALogoutThatProvesNothingIsAskedAbout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		more url.Values
	}{
		{"nobody asks", nil},
		{"a client asks without an ID token", url.Values{"client_id": {"shop"}, "post_logout_redirect_uri": {shopAt + "/bye"}}},
		{"to a place that is not registered", url.Values{"client_id": {"shop"}, "post_logout_redirect_uri": {evilAt + "/frame"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			p.goThrough(nil)

			p.visit(logout(tt.more))
			p.see("Sign out?")
			p.reads(p.name)
			p.decide("deny")
			p.see("You are still signed in")
			p.isBack(p.start(nil))
			p.visit(logout(tt.more))
			p.see("Sign out?")
			p.decide("allow")
			if tt.more.Get("post_logout_redirect_uri") == shopAt+"/bye" {
				p.see("Goodbye")
			} else {
				p.see("You are signed out")
				p.at(issuer, "/logout")
			}

			p.isSignedOut()
		})
	}
}

func logout(parameters url.Values) string { return issuer + "/oauth2/logout?" + parameters.Encode() }

// isSignedOut demands that the session is gone, here and at the server.
func (p *person) isSignedOut() {
	p.t.Helper()
	var left int
	err := database.QueryRow(p.t.Context(), `select count(*) from authd.sessions where subject = $1`, p.subject).Scan(&left)
	if err != nil || left != 0 {
		p.t.Errorf("%d sessions are left, %v", left, err)
	}
	p.start(nil)
	p.see("Sign in")
}
