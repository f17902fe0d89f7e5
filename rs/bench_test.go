package rs_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/go-authd/authd/rs"
)

// BenchmarkVerify against BenchmarkBareRSA is what everything but the signature costs.
func BenchmarkVerify(b *testing.B) {
	v := newVerifier(b, offline())
	raw := edit{}.token()
	reqs := rs.Scopes("read")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw, reqs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareRSA(b *testing.B) {
	digest := sha256.Sum256([]byte("token"))
	signature, err := rsa.SignPKCS1v15(nil, keyAT(), crypto.SHA256, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	key := &keyAT().PublicKey
	b.ReportAllocs()
	for b.Loop() {
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}
