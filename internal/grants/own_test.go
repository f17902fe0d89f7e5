package grants_test

import (
	"context"
	"errors"
	"testing"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// W-19: what is ended on the account page has ended when the page says so, also where a code
// is being exchanged in that moment: its family is of those that end.
func TestEndingWaitsForAnExchange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(context.Context, *fixture, grants.Browser) error
	}{
		{"an app's access is taken back", func(ctx context.Context, f *fixture, b grants.Browser) error {
			return f.grants.RemoveConsent(ctx, b, "spa")
		}},
		{"all others are ended", func(ctx context.Context, f *fixture, b grants.Browser) error {
			return f.grants.EndOtherDevices(ctx, b)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withBrowser(t)
			code, own := f.code(nil), f.signedIn("ada")
			family, err := oauth.NewFamilyID(random{})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			redemption := tokens.Redemption{Code: code, RedirectURI: callback, Verifier: verifier}

			_, err = f.tokens.Redeem(t.Context(), asPublic("spa"), redemption, func(*oauth.Client, *oauth.CodeGrant) (tokens.SignIn, error) {
				go func() { ended <- tt.end(t.Context(), f, own) }()
				dbtest.WaitForLocks(t, f.pool, 1)
				return tokens.SignIn{FamilyID: family, Scopes: oauth.Scopes{"read"}}, nil
			})
			if err := errors.Join(err, <-ended); err != nil {
				t.Fatal(err)
			}

			if n := f.count(`token_families where revoked_at is null`); n != 0 || f.count(`token_families`) != 1 {
				t.Errorf("%d families live on", n)
			}
		})
	}
}

// Somebody whose session is over, or who never had one, is nobody.
func TestOwnAccountOfNobody(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	over := f.signedIn("ada")
	if err := f.grants.EndSession(t.Context(), over.Session); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]grants.Browser{"no cookie": newBrowser(t), "over": over, "bytes": {Session: "\x00"}} {
		_, err := f.grants.Account(t.Context(), b)
		refused(t, err, oauth.LoginRequired)
		for _, err := range []error{
			f.grants.EndDevice(t.Context(), b, "x"), f.grants.EndOtherDevices(t.Context(), b), f.grants.RemoveConsent(t.Context(), b, "spa"),
		} {
			if refused(t, err, oauth.LoginRequired); t.Failed() {
				t.Fatal(name)
			}
		}
		_, err = f.grants.ChangeOwnPassword(t.Context(), b, "x", "y")
		refused(t, err, oauth.LoginRequired)
	}
}
