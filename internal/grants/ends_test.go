package grants_test

import (
	"testing"

	"github.com/go-authd/authd/internal/grants"
)

// Whoever tells clients of ended sessions is given a hint when there may be one, and not at each
// sign-in.
func TestSessionEndsAreHinted(t *testing.T) {
	t.Parallel()
	f := withOpenID(t)
	one, two := f.signedIn("ada"), f.signedIn("ada")
	account, err := f.grants.Account(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	second := grants.DeviceID(account.Session)
	tests := []struct {
		name string
		do   func() error
		want int64
	}{
		{"somebody signs in", func() error { f.signedIn("bob"); return nil }, 0},
		{"somebody signs in in ada's browser", func() error {
			three := f.signedIn("ada")
			f.signIn(&three, f.authorize(three, map[string]string{"prompt": "login"}).ID, "bob")
			return nil
		}, 1},
		{"ada ends a session", func() error { return f.grants.EndDevice(t.Context(), one, second) }, 1},
		{"ada ends all others", func() error { return f.grants.EndOtherDevices(t.Context(), one) }, 1},
		{"a sign-out", func() error { f.signOut(one, true); return nil }, 1},
		{"ada goes on as somebody else", func() error { return f.grants.EndSession(t.Context(), f.signedIn("ada").Session) }, 1},
	}
	for _, tt := range tests { // in order
		before := f.ends.Load()
		if err := tt.do(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}

		if got := f.ends.Load() - before; got != tt.want {
			t.Errorf("%s: %d hints, want %d", tt.name, got, tt.want)
		}
	}
}
