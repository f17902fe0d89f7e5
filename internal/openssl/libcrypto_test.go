//go:build openssl

package openssl

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func newTestSigner(tb testing.TB, key *rsa.PrivateKey) *signer {
	tb.Helper()
	s, err := NewSigner(key)
	if err != nil {
		tb.Fatal(err)
	}
	return s.(*signer)
}

func TestVersionIsThatOfOpenSSL(t *testing.T) {
	t.Parallel()
	if !Enabled || !strings.HasPrefix(Version(), "OpenSSL ") {
		t.Errorf("got %q", Version())
	}
}

// RFC 8017 §8.2: the signature has no randomness in it.
func TestSignaturesAreThoseOfCryptoRSA(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 3072, 4096} {
		t.Run(strconv.Itoa(bits), func(t *testing.T) {
			t.Parallel()
			key := newKey(bits)
			s := newTestSigner(t, key)
			if !key.PublicKey.Equal(s.Public()) {
				t.Error("another public key")
			}
			for i := range 20 {
				digest := digestOf(strconv.Itoa(i))
				want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
				if err != nil {
					t.Fatal(err)
				}
				if got := mustSign(t, s, digest); !bytes.Equal(got, want) {
					t.Errorf("digest %d: got %x, want %x", i, got, want)
				}
			}
		})
	}
}

func TestManySignAtATime(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, testKey())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				digest := digestOf(strconv.Itoa(i*1000 + j))
				signature := mustSign(t, s, digest)
				if err := rsa.VerifyPKCS1v15(&testKey().PublicKey, crypto.SHA256, digest, signature); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, testKey())
	digest := digestOf("x")
	for _, tt := range []struct {
		name   string
		digest []byte
		opts   crypto.SignerOpts
	}{
		{"no digest", nil, crypto.SHA256},
		{"a digest that is too short", digest[1:], crypto.SHA256},
		{"a digest that is too long", append(digest, 0), crypto.SHA256},
		{"no options", digest, nil},
		{"no hash, which would sign what is given as it is", digest, crypto.Hash(0)},
		{"SHA-512/256, whose digests are as long", digest, crypto.SHA512_256},
		{"SHA-512", make([]byte, 64), crypto.SHA512},
		{"RSASSA-PSS with SHA-256", digest, &rsa.PSSOptions{Hash: crypto.SHA256}},
	} {
		if signature, err := s.Sign(nil, tt.digest, tt.opts); signature != nil || err == nil || !strings.HasPrefix(err.Error(), "sign: ") {
			t.Errorf("%s: got %x, %v, want a refusal of ours", tt.name, signature, err)
		}
	}
}

// The second failure must not be reported as the first, whose thread it may have.
func TestFailuresNameOperationAndReason(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := newTestSigner(t, testKey())
	text := []byte("this is no key, but might be")

	key, parseErr := parse(text)
	signature, signErr := s.sign(digestOf("x")[1:])

	if key != nil || parseErr == nil || !strings.HasPrefix(parseErr.Error(), "d2i_AutoPrivateKey: error:") {
		t.Errorf("got %v", parseErr)
	}
	if signature != nil || signErr == nil || !strings.HasPrefix(signErr.Error(), "EVP_PKEY_sign: error:") ||
		!strings.Contains(signErr.Error(), "invalid digest length") {
		t.Errorf("got %v", signErr)
	}
	if strings.Contains(parseErr.Error(), string(text)) {
		t.Errorf("%v repeats the key", parseErr)
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	b := []byte("secret")
	wipe(b)
	if !bytes.Equal(b, make([]byte, 6)) {
		t.Errorf("%q is left", b)
	}
}

// Not parallel: it counts the keys of all signers, and other tests have none while it runs.
func TestSignersThatNobodyHasAreFreed(t *testing.T) {
	kept := newTestSigner(t, testKey())
	for range 300 {
		mustSign(t, newTestSigner(t, testKey()), digestOf("x"))
	}

	for range 1000 {
		if runtime.GC(); live.Load() <= 1 {
			break
		}
	}

	if n := live.Load(); n != 1 {
		t.Errorf("%d keys are left, want the one that is in use", n)
	}
	mustSign(t, kept, digestOf("x"))
}

// Every form in which a secret number might be printed.
func canaries(key *rsa.PrivateKey) (all []string) {
	for _, n := range append([]*big.Int{key.D, key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv}, key.Primes...) {
		b := n.Bytes()
		all = append(all, n.String()[:40], hex.EncodeToString(b)[:40], strings.ToUpper(hex.EncodeToString(b))[:40],
			base64.StdEncoding.EncodeToString(b)[:40], base64.RawURLEncoding.EncodeToString(b)[:40],
			strings.Trim(fmt.Sprint(b[:12]), "[]"), string(b[:16]))
	}
	return all
}

func TestSignerIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, testKey())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t"} {
		if got := fmt.Sprintf(verb, s); got != redacted {
			t.Errorf("%s: got %s", verb, got)
		}
	}
	if got, err := json.Marshal(map[string]any{"s": s}); err != nil || string(got) != `{"s":"[redacted]"}` {
		t.Errorf("JSON: got %s, %v", got, err)
	}
	if got := slog.AnyValue(s).Resolve().Any(); got != redacted {
		t.Errorf("slog.Value: got %v", got)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "s", s)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "s", s)
	if strings.Count(logged.String(), redacted) != 2 {
		t.Errorf("slog: got %s", &logged)
	}
}

// Where fmt cannot ask the signer, in private fields, there is nothing to find.
func TestSignerInsideOthersHasNoSecret(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, testKey())
	for _, v := range []any{*s, struct{ s *signer }{s}, struct{ s crypto.Signer }{s}, struct{ s signer }{*s}, []crypto.Signer{s}} {
		if found := secretsIn(v); found != 0 {
			t.Errorf("%T prints %d secrets", v, found)
		}
	}
	if secretsIn(struct{ number []byte }{testKey().D.Bytes()}) == 0 {
		t.Error("a secret that is printed is not found")
	}
}

// secretsIn counts what any way to print v shows of the test key.
func secretsIn(v any) (n int) {
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		fmt.Fprintf(&printed, verb, v)
	}
	b, _ := json.Marshal(v)
	printed.Write(b)
	for _, secret := range canaries(testKey()) {
		if strings.Contains(printed.String(), secret) {
			n++
		}
	}
	return n
}
