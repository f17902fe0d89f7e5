package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// The example of RFC 7636 appendix B.
const (
	exampleVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	exampleChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestVerifyCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, challenge, verifier string
		want                      bool
	}{
		{"the example of RFC 7636 appendix B", exampleChallenge, exampleVerifier, true},
		{"neither challenge nor verifier", "", "", true},
		{"another verifier", exampleChallenge, strings.Replace(exampleVerifier, "d", "e", 1), false},
		{"the challenge itself, P-06", exampleChallenge, exampleChallenge, false},
		{"no verifier", exampleChallenge, "", false},
		{"a verifier without a challenge, RFC 9700 §4.8.2", "", exampleVerifier, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if got := VerifyCode(tt.challenge, tt.verifier); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// P-06, RFC 7636 §4.1.
func TestIsCodeVerifier(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, verifier string
		want           bool
	}{
		{"42 characters", strings.Repeat("a", 42), false},
		{"43 characters", strings.Repeat("a", 43), true},
		{"128 characters", strings.Repeat("a", 128), true},
		{"129 characters", strings.Repeat("a", 129), false},
		{"all that is allowed", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", true},
		{"a plus", strings.Repeat("a", 42) + "+", false},
		{"padding", strings.Repeat("a", 42) + "=", false},
		{"a space", strings.Repeat("a", 42) + " ", false},
		{"no ASCII", strings.Repeat("é", 43), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if got := IsCodeVerifier(tt.verifier); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// P-03, RFC 7636 §4.2.
func TestIsCodeChallenge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, challenge string
		want            bool
	}{
		{"the example", exampleChallenge, true},
		{"42 characters", exampleChallenge[1:], false},
		{"44 characters", exampleChallenge + "A", false},
		{"129 characters", strings.Repeat("A", 129), false},
		{"padded", exampleChallenge + "=", false},
		{"plus for minus", strings.ReplaceAll(exampleChallenge, "-", "+"), false},
		{"slash", "/" + exampleChallenge[1:], false},
		{"no ASCII", "é" + exampleChallenge[2:], false},
		{"a last character that no hash has", exampleChallenge[:42] + "N", false},
		{"a newline, which decoders skip", exampleChallenge[:20] + "\n" + exampleChallenge[20:], false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if got := IsCodeChallenge(tt.challenge); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// Whatever is accepted is the hash that the verifier has, and a well-formed challenge.
func FuzzVerifyCode(f *testing.F) {
	f.Add(exampleChallenge, exampleVerifier)
	f.Add("", "")
	f.Add(exampleVerifier, exampleVerifier)
	f.Fuzz(func(t *testing.T, challenge, verifier string) {
		sum := sha256.Sum256([]byte(verifier))
		own := base64.RawURLEncoding.EncodeToString(sum[:])
		if !IsCodeChallenge(own) {
			t.Errorf("the challenge %q of %q is refused", own, verifier)
		}
		if verifier != "" && !VerifyCode(own, verifier) {
			t.Errorf("%q does not prove its own challenge", verifier)
		}
		if VerifyCode(challenge, verifier) && challenge != own && challenge+verifier != "" {
			t.Errorf("%q proves %q", verifier, challenge)
		}
	})
}
