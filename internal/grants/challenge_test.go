package grants_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/dbtest"
)

// P-08, RFC 9700 §2.1.1: a challenge that comes for more than three codes of one client is
// told of with each further one, and refused for none.
func TestConstantChallenge(t *testing.T) {
	t.Parallel()
	const other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	tests := []struct {
		name  string
		codes func(*testing.T, *fixture)
		want  []string
	}{
		{"three codes", func(_ *testing.T, f *fixture) { f.codes(3, nil) }, nil},
		{"five codes", func(_ *testing.T, f *fixture) { f.codes(5, nil) }, []string{"spa", "spa"}},
		{"used or not", func(_ *testing.T, f *fixture) {
			for range 4 {
				f.mustRedeem(f.codes(1, nil))
			}
		}, []string{"spa"}},
		{"pushed, too", func(t *testing.T, f *fixture) {
			b := f.signedIn("ada")
			f.codes(3, nil)
			f.answered(b, f.mustOpen(b, f.mustPush(nil)))
		}, []string{"spa"}},
		{"different ones", func(_ *testing.T, f *fixture) {
			f.codes(3, nil)
			f.codes(3, map[string]string{"code_challenge": other})
		}, nil},
		{"of two clients", func(_ *testing.T, f *fixture) {
			f.codes(3, nil)
			f.codes(3, map[string]string{"client_id": "web"})
		}, nil},
		{"none at all", func(_ *testing.T, f *fixture) {
			f.codes(5, map[string]string{"client_id": "web", "code_challenge": "", "code_challenge_method": "", "scope": "openid", "nonce": "n"})
		}, nil},
		{"long ago", func(t *testing.T, f *fixture) {
			f.codes(3, nil)
			dbtest.SetClock(t, f.pool, 62*time.Minute)
			if _, err := f.db.DeleteExpiredCodes(t.Context(), time.Time{}, 10); err != nil {
				t.Fatal(err)
			}
			f.codes(3, nil)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := withBrowser(t)

			tt.codes(t, f)

			if diff := cmp.Diff(tt.want, f.challenges); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// codes are n of new browsers; it returns the last.
func (f *fixture) codes(n int, more map[string]string) (last string) {
	f.t.Helper()
	for range n {
		b := newBrowser(f.t)
		last = param(f.answered(b, f.signIn(&b, f.authorize(b, more).ID, "ada")), "code")
	}
	return last
}
