package grants_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// a client that goes away at any moment and comes back with the same token is never
// taken for a thief, whether its rotation was committed or not.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken
	for range 100 {
		form := oauth.Form{"grant_type": "refresh_token", "refresh_token": token}
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(4*time.Millisecond))
		_, _ = f.grants.Token(ctx, asPublic("app"), form, oauth.Device{})
		cancel()

		token = f.mustRefresh(token).RefreshToken
	}

	if reason := f.revokedReason(); reason != "" {
		t.Errorf("an honest family was ended for %q", reason)
	}
}

// reuse is told for the whole life of a family, which stays one row however often
// it rotated.
func TestReuseAfterAThousandRotations(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.login("ada").RefreshToken
	second := f.mustRefresh(first).RefreshToken
	fid := claims(t, first)["fid"].(string)
	for i := range 1000 {
		r, err := f.db.BeginRotation(t.Context(), fid, "app", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Step(t.Context(), "leaf-"+strconv.Itoa(i), r.Family.LeafKID, time.Hour, oauth.Device{}); err != nil {
			t.Fatal(err)
		}
	}
	dbtest.SetClock(t, f.pool, grace+time.Second)

	_, err := f.refresh(second)

	refused(t, err, oauth.InvalidGrant)
	if got := f.revokedReason(); got != tokens.ReasonReuse {
		t.Errorf("family ended for %q, want reuse", got)
	}
	var rows int
	if err := f.pool.QueryRow(t.Context(), `select count(*) from authd.token_families`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v; want 1", rows, err)
	}
}
