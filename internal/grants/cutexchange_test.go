package grants_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// The commit rule, S-03, P-20: wherever the connection breaks, the client is told that
// nothing is known. If nothing was done, its retry gets the one family; if the code was
// consumed, the retry ends the family of the answer that was lost.
func TestConnectionBreaksInExchange(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("arrives %v", after), func(t *testing.T) {
			t.Parallel()
			url := keystest.URL(t)
			var w wire
			healthy := serve(t, new(wire).pool(t, url), options{grace: grace})
			healthy.registerBrowser()
			broken := grantsOver(healthy, w.pool(t, url))
			b := healthy.signedIn("ada")
			cuts, lost := 0, 0
			for at := int64(1); ; at++ {
				code := healthy.codeIn(b, nil)
				w.cutAt.Store(w.writes.Load() + at)
				w.after.Store(after)
				_, err := broken.redeem(t.Context(), code, nil)
				if err == nil { // the request was over before that message
					break
				}
				cuts++
				if !errors.Is(err, db.ErrUnavailable) {
					t.Fatalf("cut at message %d: got %v, want ErrUnavailable", at, err)
				}
				if _, err = healthy.redeem(t.Context(), code, nil); err == nil {
					continue
				}
				lost++
				refused(t, err, oauth.InvalidGrant)
				if alive := healthy.count(`token_families f join authd.authorization_codes c on c.family_id = f.id
					where c.sha256 = $1 and f.revoked_at is null`, oauth.SecretOf(code).SHA256); alive != 0 {
					t.Fatalf("cut at message %d: the family of an answer that was lost is alive", at)
				}
			}

			if cuts < 2 || (lost > 0) != after {
				t.Errorf("%d messages were cut, %d answers lost", cuts, lost)
			}
			if n := healthy.count(`token_families where revoked_reason is distinct from $1 and revoked_at is not null`, tokens.ReasonReplay); n != 0 {
				t.Errorf("%d families were ended for another reason", n)
			}
		})
	}
}
