package keys

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/oauth"
)

// bigPrimes are four of each size; every two make another key.
var bigPrimes = map[int]func() []*big.Int{3072: primesOf(1536), 4096: primesOf(2048)}

func primesOf(bits int) func() []*big.Int {
	return sync.OnceValue(func() []*big.Int {
		out := make([]*big.Int, 4)
		var wg sync.WaitGroup
		for i := range out {
			wg.Go(func() {
				var err error
				if out[i], err = rand.Prime(rand.Reader, bits); err != nil {
					panic(err)
				}
			})
		}
		wg.Wait()
		return out
	})
}

// generateBits hands out different keys of each size.
func (w *world) generateBits(bits int) (*rsa.PrivateKey, error) {
	i := int(w.made.Add(1) - 1)
	if bits == 2048 {
		return testKey(i), nil
	}
	p := bigPrimes[bits]()
	for a := range p {
		if i < a {
			return keyOf(p[a], p[i]), nil
		}
		i -= a
	}
	panic("more keys asked for than there are")
}

// hooked is the configuration of a replica whose calls to a KMS or HSM end when limits say.
func (w *world) hooked(limits *hooktest.Limits, keks ...KEK) Config {
	cfg := w.config()
	cfg.KEKs, cfg.generate, cfg.WithTimeout = keks, w.generateBits, limits.WithTimeout
	return cfg
}

func mustNew(t testing.TB, cfg Config) *Rings {
	t.Helper()
	r, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantOutage fails the test unless err says that the KMS or HSM called name is away.
func wantOutage(t testing.TB, err error, name string) {
	t.Helper()
	if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v, want an outage of %s", err, name)
	}
}

// wantSigns fails the test unless r signs for both rings what verifies.
func wantSigns(t testing.TB, r *Rings) {
	t.Helper()
	if err := r.Ready(); err != nil {
		t.Error(err)
	}
	for _, ring := range allRings {
		mustVerify(t, r, ring, "t+jwt", mustSign(t, r, ring, "", "t+jwt", "{}"))
	}
}

// wantRefuses fails the test if r signs or says that it is ready.
func wantRefuses(t testing.TB, r *Rings) {
	t.Helper()
	if err := r.Ready(); !errors.Is(err, ErrNotReady) {
		t.Errorf("ready: %v, want ErrNotReady", err)
	}
	token, err := r.Sign(t.Context(), oauth.AccessRing, "", "t+jwt", []byte("{}"))
	if token != "" || !errors.Is(err, oauth.Unavailable) {
		t.Errorf("signed %q, %v, want a refusal", token, err)
	}
}

func TestCallsThatNeverReturnDoNotPileUp(t *testing.T) {
	t.Parallel()
	var limits hooktest.Limits
	hang := hooktest.NewHang()
	defer hang.Release()
	defer hang.Expire(&limits)()
	h := newHooks(&Config{WithTimeout: limits.WithTimeout})
	asked := 0
	deaf := hookCall[int]{doing: "ask", run: func(ctx context.Context) (int, error) {
		asked++
		return 0, hang.Deaf(ctx, "", "")
	}}
	for range maxCalls + 5 {
		if _, err := call(t.Context(), h, deaf); !errors.Is(err, db.ErrUnavailable) {
			t.Fatalf("got %v, want an outage", err)
		}
	}
	if asked != maxCalls {
		t.Errorf("%d calls are under way, want %d", asked, maxCalls)
	}
}

func TestAPanicOfAHookIsAnOutage(t *testing.T) {
	t.Parallel()
	h := newHooks(&Config{WithTimeout: context.WithTimeout})
	_, err := call(t.Context(), h, hookCall[int]{doing: "ask", run: func(context.Context) (int, error) { panic("nobody is there") }})
	if !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), "ask: panic: nobody is there") {
		t.Errorf("got %v, want an outage that says what panicked", err)
	}
}

// rows is all of the keys, as text.
func (w *world) rows() (text string) {
	w.t.Helper()
	err := w.pool.QueryRow(w.t.Context(), `select coalesce(string_agg(k::text, ' ' order by kid), '') from authd.signing_keys k`).Scan(&text)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}
