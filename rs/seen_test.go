package rs_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-authd/authd/rs"
)

// changingKeys is a KeySource whose answer a test replaces.
type changingKeys struct {
	mu  sync.Mutex
	key crypto.PublicKey
	err error
}

func (c *changingKeys) PublicKey(context.Context, string) (crypto.PublicKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key, c.err
}

func (c *changingKeys) answer(key crypto.PublicKey, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key, c.err = key, err
}

// Of a token that was good before only form and signature are remembered: each thing that can have changed since is
// looked at again.
func TestSeenTokenIsJudgedAgain(t *testing.T) {
	t.Parallel()
	type world struct {
		clock   *clock
		keys    *changingKeys
		revoked *error // nil: not revoked; else what the checker says
	}
	same := func() *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).Set(keyAT().N), E: keyAT().E}
	}
	outage := errors.New("outage")
	tests := []struct {
		name   string
		change func(*world)
		reqs   []rs.Requirement
		want   error
	}{
		{"nothing", func(*world) {}, nil, nil},
		{"a refreshed key set holds the same key", func(w *world) { w.keys.answer(same(), nil) }, nil, nil},
		{"a moment before exp", func(w *world) { w.clock.Advance(10*time.Minute + 10*time.Second - 1) }, nil, nil},
		{"expired, RFC 7519 §4.1.4", func(w *world) { w.clock.Advance(10*time.Minute + 10*time.Second) }, nil, rs.ErrExpired},
		{"the clock went back before iat and nbf", func(w *world) { w.clock.Advance(-time.Minute) }, nil, rs.ErrInvalid},
		{"the key was withdrawn, J-09, K-07", func(w *world) { w.keys.answer(nil, nil) }, nil, rs.ErrInvalid},
		{"another key has the kid", func(w *world) { w.keys.answer(keyEvil().Public(), nil) }, nil, rs.ErrInvalid},
		{"the key has another exponent", func(w *world) { w.keys.answer(&rsa.PublicKey{N: keyAT().N, E: 3}, nil) }, nil, rs.ErrInvalid},
		{"nobody knows whether the key is good", func(w *world) { w.keys.answer(nil, outage) }, nil, rs.ErrUnavailable},
		{"revoked", func(w *world) { *w.revoked = rs.ErrRevoked }, nil, rs.ErrRevoked},
		{"nobody knows whether it was revoked", func(w *world) { *w.revoked = outage }, nil, rs.ErrUnavailable},
		{"a requirement that it does not meet", func(*world) {}, []rs.Requirement{rs.Scopes("admin")}, rs.ErrInsufficientScope},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := world{clock: new(clock), keys: new(changingKeys), revoked: new(error)}
			w.keys.answer(keyAT().Public(), nil)
			cfg := offline()
			cfg.Keys, cfg.Now = w.keys, w.clock.Now
			cfg.Revocation = checkerFunc(func(context.Context, *rs.Token) (bool, error) {
				if errors.Is(*w.revoked, rs.ErrRevoked) {
					return true, nil
				}
				return false, *w.revoked
			})
			v := newVerifier(t, cfg)
			raw := edit{}.token()
			if _, err := v.Verify(t.Context(), raw); err != nil || !v.Remembers(raw) {
				t.Fatalf("first sight: error %v, remembered %t", err, v.Remembers(raw))
			}

			tt.change(&w)
			_, err := v.Verify(t.Context(), raw, tt.reqs...)

			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
}

// What can never be good again is not kept.
func TestSeenTokenIsForgotten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*clock, *changingKeys)
	}{
		{"expired", func(c *clock, _ *changingKeys) { c.Advance(time.Hour) }},
		{"its key was withdrawn", func(_ *clock, k *changingKeys) { k.answer(nil, nil) }},
		{"its key was replaced", func(_ *clock, k *changingKeys) { k.answer(keyEvil().Public(), nil) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, now, keys := offline(), new(clock), new(changingKeys)
			keys.answer(keyAT().Public(), nil)
			cfg.Keys, cfg.Now = keys, now.Now
			v := newVerifier(t, cfg)
			raw := edit{}.token()
			if _, err := v.Verify(t.Context(), raw); err != nil {
				t.Fatal(err)
			}

			tt.change(now, keys)
			if _, err := v.Verify(t.Context(), raw); err == nil {
				t.Error("accepted")
			}

			if v.Remembers(raw) {
				t.Error("still remembered")
			}
		})
	}
}

// Whoever cannot make a good token can put nothing into the memory, nor be taken for what is in it.
func TestBadTokensAreNotRemembered(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	dot := strings.LastIndexByte(good, '.')
	other := map[byte]string{'A': "B", 'Q': "R", 'g': "h", 'w': "x"}[good[len(good)-1]]
	tests := []struct{ name, token string }{
		{"signed by another key", forge(goodHeader, edit{}.payload(), keyEvil())},
		{"another typ", forge(`{"alg":"RS256","kid":"k-at","typ":"JWT"}`, edit{}.payload(), keyAT())},
		{"unknown kid", forge(`{"alg":"RS256","kid":"k-x","typ":"at+jwt"}`, edit{}.payload(), keyAT())},
		{"expired", edit{"iat": "1699999000", "nbf": "", "exp": "1699999600"}.token()},
		{"not yet valid", edit{"nbf": "1700000100"}.token()},
		{"another issuer", edit{"iss": `"https://evil.example"`}.token()},
		{"another audience", edit{"aud": `"https://other.example"`}.token()},
		{"without exp", edit{"exp": ""}.token()},
		{"another payload under a good signature", edit{"sub": `"admin"`}.token()[:dot] + good[dot:]},
		{"the good one without its signature", good[:dot+1]},
		{"the good one with a line break, J-44", good + "\n"},
		{"the good one with other ignored bits, J-44", good[:len(good)-1] + other},
		{"too long, J-36", good + strings.Repeat("A", 8<<10)},
	}
	v := newVerifier(t, offline())
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		for range 2 {
			if _, err := v.Verify(t.Context(), tt.token); err == nil {
				t.Errorf("%s: accepted", tt.name)
			}
		}
		if v.Remembers(tt.token) {
			t.Errorf("%s: remembered", tt.name)
		}
	}
	if got := v.Remembered(); got != 1 {
		t.Errorf("%d tokens remembered, want the good one", got)
	}
}

// What a handler does to its Token, against all advice, reaches no other request.
func TestSeenTokenIsNotShared(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())
	raw := edit{"nested": `{"roles":["reader",{"deep":[1]}]}`}.token()
	verify := func() *rs.Token {
		t.Helper()
		got, err := v.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := newVerifier(t, offline())
	pristine, err := want.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}

	for sight := range 3 {
		got := verify()
		if diff := cmp.Diff(pristine, got, cmpopts.IgnoreUnexported(rs.Token{})); diff != "" {
			t.Fatalf("sight %d: %s", sight, diff)
		}
		got.Subject, got.Fresh = "admin", false
		got.Scopes[0] = "admin"
		got.Scopes = append(got.Scopes, "admin")
		got.Audience[0] = "admin"
		got.Claims["role"] = "admin"
		nested := got.Claims["nested"].(map[string]any)
		roles := nested["roles"].([]any)
		roles[1].(map[string]any)["deep"].([]any)[0] = "admin"
		roles[0], nested["role"] = "admin", "admin"
	}
}

// A token stays for a turn after its last use at least, and for two at most while others come.
func TestUnusedTokensAreForgotten(t *testing.T) {
	t.Parallel()
	cfg, now := offline(), new(clock)
	cfg.Now = now.Now
	v := newVerifier(t, cfg)
	token := func(id string) string { return edit{"jti": `"` + id + `"`, "exp": "1700080000"}.token() }
	used, unused := token("used"), token("unused")
	verify := func(raw string) {
		t.Helper()
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}

	verify(unused)
	verify(used)
	now.Advance(rs.SeenTurn - 1)
	verify(token("other 1"))
	if !v.Remembers(unused) {
		t.Error("forgotten within the turn")
	}
	for n := range 2 {
		now.Advance(rs.SeenTurn)
		verify(used)
		verify(token(fmt.Sprint("other ", n+2)))
	}
	if v.Remembers(unused) || !v.Remembers(used) {
		t.Errorf("unused remembered: %t, want false; used remembered: %t, want true", v.Remembers(unused), v.Remembers(used))
	}
}

// Many goroutines that see, forget and see again the same tokens; for the race detector.
func TestSeenTokensConcurrently(t *testing.T) {
	t.Parallel()
	cfg, now := offline(), new(clock)
	cfg.Now = now.Now
	v := newVerifier(t, cfg)
	tokens := make([]string, 4)
	for i := range tokens {
		tokens[i] = edit{"jti": fmt.Sprintf(`"j-%d"`, i), "exp": "1700086400"}.token()
	}

	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 100 {
				got, err := v.Verify(t.Context(), tokens[(worker+n)%len(tokens)])
				if want := fmt.Sprintf("j-%d", (worker+n)%len(tokens)); err != nil || got.ID != want {
					t.Errorf("got %+v, error %v, want token %s", got, err, want)
					return
				}
				got.Claims["n"] = n
				if n%10 == worker {
					now.Advance(rs.SeenTurn / 50)
				}
				if n%25 == worker {
					v.Forget()
				}
			}
		})
	}
	wg.Wait()
}

// The figures that performance.md promises for a token with the usual dozen claims. Not parallel: it counts.
func TestAllocations(t *testing.T) {
	v := newVerifier(t, offline())
	raw := edit{}.token()
	reqs := rs.Scopes("read")
	verify := func() {
		if _, err := v.Verify(t.Context(), raw, reqs); err != nil {
			t.Error(err)
		}
	}

	least := func(f func()) float64 { // what other goroutines allocate is counted too, but not always
		n := testing.AllocsPerRun(100, f)
		for range 4 {
			n = min(n, testing.AllocsPerRun(100, f))
		}
		return n
	}
	first := least(func() {
		v.Forget()
		verify()
	})
	again := least(verify)

	if first > 25+raceAllocs || again > 6+raceAllocs {
		t.Errorf("%v allocations for a token at first sight, %v for one seen before; want at most 25 and 6, and %d for -race",
			first, again, raceAllocs)
	}
}
