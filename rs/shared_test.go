package rs_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-authd/authd/rs"
)

// The token in a context has many readers: what one of them finds out about it is written down in a copy. Run with -race.
func TestContextsTokenDoesNotChange(t *testing.T) {
	t.Parallel()
	cfg, asked := counting()
	v := newVerifier(t, cfg)
	var wg sync.WaitGroup
	h := v.Required(rs.Offline())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 8 {
			wg.Go(func() {
				if _, err := v.VerifyRequest(r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}))

	if got := ask(h, bearing(edit{}.token())); got.Status != 200 {
		t.Errorf("got %+v", got)
	}

	if got := asked.get(); got[1] != 8 || got[2] != 1 {
		t.Errorf("asked %v, want 8 questions about revocation, since none of the 8 sees another's, and 1 subject", got)
	}
}

// F-26: the inner route asks what the outer one left out, and is refused what the outer one admitted.
func TestOfflineIsTheOuterRoutesAlone(t *testing.T) {
	t.Parallel()
	cfg, _ := counting()
	var gone atomic.Bool
	cfg.Revocation = checkerFunc(func(context.Context, *rs.Token) (bool, error) { return gone.Load(), nil })
	v := newVerifier(t, cfg)
	h := v.Required(rs.Offline())(v.Required()(http.HandlerFunc(whoami)))

	before := ask(h, bearing(edit{}.token()))
	gone.Store(true)
	after := ask(h, bearing(edit{}.token()))

	if before.Status != 200 || after.Status != 401 {
		t.Errorf("got %+v, then %+v", before, after)
	}
}
