package rs_test

import (
	"errors"
	"testing"

	"github.com/go-authd/authd/rs"
)

// F-55b, F-29: public keys that are given, chosen by kid.
func TestStaticKeys(t *testing.T) {
	t.Parallel()
	keys, err := rs.StaticKeys([]byte(set(jwk("k-at", keyAT()), `{"kty":"EC","kid":"other"}`)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := rs.New(t.Context(), rs.Config{
		Issuer: testIssuer, Audience: testAudience, Keys: keys, Now: new(clock).Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	tests := []struct {
		name, header string
		want         error
	}{
		{"a key of the set", goodHeader, nil},
		{"a kid that is not in the set is invalid, not an outage", `{"alg":"RS256","kid":"gone","typ":"at+jwt"}`, rs.ErrInvalid},
		{"a key of another type is left out", `{"alg":"RS256","kid":"other","typ":"at+jwt"}`, rs.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), forge(tt.header, edit{}.payload(), keyAT()))
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestStaticKeysRefuses(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"no JSON": `<html>`, "no keys": `{"keys":[]}`, "no usable key": `{"keys":[{"kty":"EC","kid":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if keys, err := rs.StaticKeys([]byte(doc)); err == nil {
				t.Errorf("got %v, want an error", keys)
			}
		})
	}
}
