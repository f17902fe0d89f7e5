package db_test

import (
	"testing"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
)

// A sign-out that comes while a code of its session is exchanged waits for the family, and
// ends it.
func TestSignOutDuringAnExchange(t *testing.T) {
	t.Parallel()
	pool, d, code, session := newCode(t)
	x, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan db.SignedOut, 1)
	go func() {
		out, err := d.SignOut(t.Context(), session.SHA256, x.SessionID, "", "logout")
		if err != nil {
			t.Error(err)
		}
		ended <- out
	}()
	dbtest.WaitForLocks(t, pool, 1)
	family := adasFamily()
	family.Scopes, family.SessionID = []string{"openid"}, x.SessionID

	if _, _, err := x.Redeem(t.Context(), code.SHA256, family); err != nil {
		t.Fatal(err)
	}

	out := <-ended
	if revs := out.Families; len(revs) != 1 || revs[0].FamilyID != firstFamily || revs[0].ClientID != "shop" || revs[0].Subject != "ada" {
		t.Errorf("ended %+v, want the family", revs)
	}
	if len(out.Sessions) != 1 || out.Sessions[0] != (db.EndedSession{ID: x.SessionID, Subject: "ada"}) {
		t.Errorf("ended %+v, want the session", out.Sessions)
	}
}
