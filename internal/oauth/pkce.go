package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// ChallengeS256 is the one method of RFC 7636 §4.2 that is accepted: plain shows the
// verifier to everybody who sees the request (RFC 9700 §2.1.1).
const ChallengeS256 = "S256"

// IsCodeChallenge reports whether s can be the S256 challenge of a verifier: a SHA-256 hash
// in base64url without padding, written in the one way that a hash is written.
func IsCodeChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(sha256.Size)
}

// Bounds of a verifier (RFC 7636 §4.1).
const (
	minVerifier = 43
	maxVerifier = 128
)

// IsCodeVerifier is RFC 7636 §4.1: 43 to 128 of ALPHA / DIGIT / "-" / "." / "_" / "~".
func IsCodeVerifier(s string) bool {
	if len(s) < minVerifier || len(s) > maxVerifier {
		return false
	}
	for _, c := range []byte(s) {
		if !isUnreserved(c) {
			return false
		}
	}
	return true
}

func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// VerifyCode reports whether verifier proves challenge (RFC 7636 §4.6), in constant time.
// Without a challenge there must be no verifier: otherwise whoever strips the challenge from
// a request would not be noticed (RFC 9700 §4.8.2).
func VerifyCode(challenge, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
