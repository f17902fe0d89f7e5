package authdtest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

func wantVerdict(t *testing.T, v *rs.Verifier, token string, want error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// refetch makes the verifier fetch the JWKS, which it does for an unknown kid once in 30 s.
func refetch(t *testing.T, v *rs.Verifier, iss *authdtest.Issuer) {
	t.Helper()
	iss.Advance(30 * time.Second)
	wantVerdict(t, v, iss.Token(authdtest.UnknownKid()), rs.ErrInvalid)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)
	v := verifier(t, iss, nil)
	first, old := iss.Kid(), iss.Token(authdtest.ExpiresIn(time.Hour))

	second := iss.RotateKey()
	if second == first || second != iss.Kid() {
		t.Errorf("kids %s and %s, signing is %s", first, second, iss.Kid())
	}
	wantVerdict(t, v, iss.Token(), nil) // fetched for the unknown kid
	wantVerdict(t, v, old, nil)         // retired, and published

	iss.ExpireKeys()
	wantVerdict(t, v, old, nil) // nobody knows yet
	refetch(t, v, iss)
	wantVerdict(t, v, old, rs.ErrInvalid)
	wantVerdict(t, v, iss.Token(), nil)
}

// A key that was announced costs no fetch when it signs.
func TestAnnouncedKey(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)
	announced := iss.AnnounceKey()
	if again := iss.AnnounceKey(); again != announced || announced == iss.Kid() {
		t.Errorf("announced %s, then %s, while %s signs", announced, again, iss.Kid())
	}
	v := verifier(t, iss, nil)

	if kid := iss.RotateKey(); kid != announced {
		t.Errorf("%s signs, want the announced %s", kid, announced)
	}
	wantVerdict(t, v, iss.Token(), nil)
	if n := iss.Requests(authdtest.JWKSPath); n != 1 {
		t.Errorf("%d fetches, want the first one alone", n)
	}
}

func TestRevokedKey(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"signing", "announced", "retired"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			iss := authdtest.New(t)
			kids := map[string]string{"retired": iss.Kid()}
			kids["signing"], kids["announced"] = iss.RotateKey(), iss.AnnounceKey()
			kid := kids[state]

			iss.RevokeKey(kid)

			if key, err := iss.PublicKey(t.Context(), kid); key != nil || err != nil {
				t.Errorf("got key %v and error %v", key, err)
			}
			if iss.Kid() == kid {
				t.Error("it signs")
			}
			wantVerdict(t, verifier(t, iss, nil), iss.Token(), nil)
		})
	}
}

// Each issuer begins with the same key: nothing has to be made for the second one.
func TestKeysAreShared(t *testing.T) {
	t.Parallel()
	one, two := authdtest.New(t), authdtest.New(t)
	if one.Kid() != two.Kid() || authdtest.Key(0) == authdtest.Key(1) {
		t.Error("keys are not shared, or not different")
	}
	wantVerdict(t, verifier(t, one, nil), two.Token(), rs.ErrInvalid)
}

// An Issuer is a KeySource: a test without any HTTP.
func TestIssuerAsKeySource(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
	v := verifier(t, iss, func(c *rs.Config) { c.Keys, c.HTTPClient = iss, nil })

	wantVerdict(t, v, iss.Token(), nil)
	wantVerdict(t, v, iss.Token(authdtest.WrongKey()), rs.ErrInvalid)
	wantVerdict(t, v, iss.Token(authdtest.UnknownKid()), rs.ErrInvalid)
	if n := iss.Requests(authdtest.JWKSPath); n != 0 {
		t.Errorf("%d requests", n)
	}
}
