package keys

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/go-authd/authd/internal/oauth"
)

// An access token's claims are about this long.
var benchPayload = `{"iss":"https://issuer.example","aud":"orders","sub":"` + strings.Repeat("x", 300) + `"}`

// Compare with BenchmarkBareSign: the difference is the gate, go-jose and base64.
func BenchmarkSign(b *testing.B) {
	r := newWorld(b).rings()
	b.ReportAllocs()
	for b.Loop() {
		mustSign(b, r, oauth.AccessRing, "", oauth.TypeAccessToken, benchPayload)
	}
}

func BenchmarkBareSign(b *testing.B) {
	key := testKey(0)
	for b.Loop() {
		sum := sha256.Sum256([]byte(benchPayload))
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newWorld(b).rings()
	token := mustSign(b, r, oauth.AccessRing, "", oauth.TypeAccessToken, benchPayload)
	b.ReportAllocs()
	for b.Loop() {
		mustVerify(b, r, oauth.AccessRing, oauth.TypeAccessToken, token)
	}
}

func BenchmarkBareVerify(b *testing.B) {
	key := testKey(0)
	sum := sha256.Sum256([]byte(benchPayload))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sum := sha256.Sum256([]byte(benchPayload))
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJWKS(b *testing.B) {
	r := newWorld(b).rings()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.JWKS(); err != nil {
			b.Fatal(err)
		}
	}
}

// A start on a database that has keys.
func BenchmarkNew(b *testing.B) {
	w := newWorld(b)
	w.rings()
	for b.Loop() {
		w.rings()
	}
}
