package grants_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// a family is dead if either epoch has moved, at every endpoint that judges it.
func TestEitherEpochKills(t *testing.T) {
	t.Parallel()
	for _, subject := range []bool{false, true} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("subject ended %v, client ended %v", subject, client), func(t *testing.T) {
				t.Parallel()
				f := setup(t)
				secret := f.apiSecret()
				r := f.login("ada")
				if subject {
					if _, err := f.db.EndSubject(t.Context(), "ada"); err != nil {
						t.Fatal(err)
					}
				}
				if client {
					if err := f.db.EndClient(t.Context(), "app"); err != nil {
						t.Fatal(err)
					}
				}
				alive := !subject && !client

				if got := f.introspect(secret, r.AccessToken).Active; got != alive {
					t.Errorf("introspection says %v, want %v", got, alive)
				}
				_, err := f.refresh(r.RefreshToken)
				if alive && err != nil {
					t.Error(err)
				}
				if !alive {
					refused(t, err, oauth.InvalidGrant)
				}
			})
		}
	}
}

// the parent may be replayed R_max times in the window. One more is told to wait, is
// no proof of theft, and the leaf goes on.
func TestGraceExcess(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken
	leaf := f.mustRefresh(token).RefreshToken
	for range 20 {
		if again := f.mustRefresh(token).RefreshToken; again != leaf {
			t.Fatal("a replay got another leaf")
		}
	}

	_, err := f.refresh(token)

	e := refused(t, err, oauth.TemporarilyUnavailable)
	if e.HTTPStatus() != 429 || e.RetryAfter <= 0 || e.Rule != "rt_grace_excess" {
		t.Errorf("got %d, Retry-After %s, rule %q", e.HTTPStatus(), e.RetryAfter, e.Rule)
	}
	f.mustRefresh(leaf)
}

// V-03: tokens that are over already are none to end: success, and nothing changes.
func TestRevokeWhatIsOver(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r := f.login("ada")
	dbtest.SetClock(t, f.pool, 11*time.Minute)

	for range 2 {
		if err := f.tokens.Revoke(t.Context(), asPublic("app"), r.AccessToken, tokens.ReasonClient); err != nil {
			t.Fatal(err)
		}
	}

	var kept int
	if err := f.pool.QueryRow(t.Context(), `select count(*) from authd.revoked_tokens`).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d rows are kept of an expired token, %v", kept, err)
	}
	if got := f.revokedReason(); got != "" {
		t.Errorf("its family was ended for %q", got)
	}
}
