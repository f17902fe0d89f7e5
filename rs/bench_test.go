package rs_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/go-authd/authd/rs"
)

// BenchmarkVerify against BenchmarkBareRSA is what everything but the signature costs.
func BenchmarkVerify(b *testing.B) {
	v := newVerifier(b, offline())
	raw := edit{}.token()
	reqs := rs.Scopes("read")
	b.ReportAllocs()
	for b.Loop() {
		v.Forget()
		if _, err := v.Verify(b.Context(), raw, reqs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifySeen is the same token again.
func BenchmarkVerifySeen(b *testing.B) {
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

// BenchmarkVerifyWithFeed against BenchmarkVerifySeen is what a feed of 100,000 revocations costs.
func BenchmarkVerifyWithFeed(b *testing.B) {
	cfg := offline()
	cfg.Revocation = fullFeed(b)
	v := newVerifier(b, cfg)
	raw := edit{}.token()
	reqs := rs.Scopes("read")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw, reqs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFeed is the question alone, from as many goroutines as there are processors.
func BenchmarkFeed(b *testing.B) {
	f, tok := fullFeed(b), living()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if revoked, err := f.Revoked(b.Context(), tok); revoked || err != nil {
				b.Error(revoked, err)
			}
		}
	})
}

// fullFeed has 100,000 entries, most of them of families.
func fullFeed(b *testing.B) *rs.Feed {
	n := newFeedNet()
	n.revoke(entry("kid", "k-old"), entry("client_id", "old"), `{"sub":"usr_1","before":1,"exp":`+unix(time.Hour)+`}`)
	for i := range 80_000 {
		n.revoke(entry("sid", fmt.Sprint("family-", i)))
	}
	for i := range 20_000 - 3 {
		n.revoke(entry("jti", fmt.Sprint("token-", i)))
	}
	f, err := rs.NewFeed(b.Context(), n.feedConfig(new(logBuffer)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return f
}
