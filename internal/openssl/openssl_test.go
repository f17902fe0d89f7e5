package openssl

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

// testKey makes a key of 2048 bits, once.
var testKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey(2048) })

func newKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// signerFunc signs in some other way than it should.
type signerFunc func(digest []byte) ([]byte, error)

func (signerFunc) Public() crypto.PublicKey { return &testKey().PublicKey }

func (f signerFunc) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return f(digest)
}

func signWith(key *rsa.PrivateKey) signerFunc {
	return func(digest []byte) ([]byte, error) { return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest) }
}

func TestSelfTestRefusesTheSigner(t *testing.T) {
	t.Parallel()
	right := signWith(testKey())
	broken := errors.New("broken")
	tests := []struct {
		name string
		sign signerFunc
		want string // in the error; "": none
	}{
		{"that signs as it should: it does not", right, ""},
		{"that fails", func([]byte) ([]byte, error) { return nil, broken }, "broken"},
		{"that signs with another key", signWith(newKey(2048)), "does not verify"},
		{"that signs another digest", func([]byte) ([]byte, error) { return right(make([]byte, sha256.Size)) }, "does not verify"},
		{"that returns nothing", func([]byte) ([]byte, error) { return nil, nil }, "does not verify"},
		{"whose signature has one wrong bit", func(digest []byte) ([]byte, error) {
			signature, err := right(digest)
			signature[100] ^= 1
			return signature, err
		}, "does not verify"},
		{"that signs by RSASSA-PSS", func(digest []byte) ([]byte, error) {
			return rsa.SignPSS(rand.Reader, testKey(), crypto.SHA256, digest, nil)
		}, "does not verify"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			s, err := newSigner(testKey(), func(*rsa.PrivateKey) (crypto.Signer, error) { return tt.sign, nil })

			if tt.want == "" && (s == nil || err != nil) {
				t.Errorf("got %v, want the signer", err)
			}
			if tt.want != "" && (s != nil || err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got signer %v and error %v, want only an error about %q", s, err, tt.want)
			}
		})
	}
}

func TestKeyThatCannotBeLoadedHasNoSigner(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")

	s, err := newSigner(testKey(), func(*rsa.PrivateKey) (crypto.Signer, error) { return signWith(testKey()), broken })

	if s != nil || !errors.Is(err, broken) {
		t.Errorf("got signer %v and error %v, want only the error", s, err)
	}
}

// The rates of both builds: `go test -run - -bench Sign -tags openssl ./internal/openssl`.
func BenchmarkSign(b *testing.B) {
	signers := map[string]crypto.Signer{"crypto/rsa": testKey()}
	if Enabled {
		s, err := NewSigner(testKey())
		if err != nil {
			b.Fatal(err)
		}
		signers["libcrypto"] = s
	}
	for name, s := range signers {
		b.Run(name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustSign(b, s, digestOf("x"))
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mustSign(b, s, digestOf("x"))
				}
			})
		})
	}
}

func digestOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func mustSign(tb testing.TB, s crypto.Signer, digest []byte) []byte {
	signature, err := s.Sign(nil, digest, crypto.SHA256)
	if err != nil {
		tb.Error(err)
	}
	return signature
}
