package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/go-authd/authd/internal/oauth"
)

func TestParseKEK(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{0xfb}, 32)
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"standard", base64.StdEncoding.EncodeToString(raw), true},
		{"without padding", base64.RawStdEncoding.EncodeToString(raw), true},
		{"URL alphabet", base64.URLEncoding.EncodeToString(raw), true},
		{"a line of a file", base64.StdEncoding.EncodeToString(raw) + "\r\n", true},
		{"31 bytes", base64.StdEncoding.EncodeToString(raw[:31]), false},
		{"33 bytes", base64.StdEncoding.EncodeToString(append(raw, 1)), false},
		{"nothing", "", false},
		{"hexadecimal", hex.EncodeToString(raw), false},
		{"two lines", base64.StdEncoding.EncodeToString(raw)[:20] + "\n" + base64.StdEncoding.EncodeToString(raw)[20:], false},
	} {
		k, err := ParseKEK(tt.text)
		if (err == nil) != tt.want {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if err == nil && k.ID() != "efb702a6" {
			t.Errorf("%s: id %s, want efb702a6", tt.name, k.ID())
		}
		if err != nil && tt.text != "" && strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: error repeats the key", tt.name)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	k, other := newTestKEK(t), newTestKEK(t)
	sealed, err := k.seal(t.Context(), []byte("secret"), "here")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := open(t.Context(), []KEK{other, k}, sealed, "here"); err != nil || string(text) != "secret" {
		t.Fatalf("got %q, %v, want what was sealed", text, err)
	}
	edit := func(member, value string) string {
		var m map[string]string
		if err := json.Unmarshal([]byte(sealed), &m); err != nil {
			t.Fatal(err)
		}
		m[member] = value
		out, _ := json.Marshal(m)
		return string(out)
	}
	forged := func(alg jose.KeyAlgorithm, enc jose.ContentEncryption, zip jose.CompressionAlgorithm) string {
		e, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: k.secret(), KeyID: k.id}, &jose.EncrypterOptions{Compression: zip})
		if err != nil {
			t.Fatal(err)
		}
		obj, err := e.EncryptWithAuthData([]byte("secret"), []byte("here"))
		if err != nil {
			t.Fatal(err)
		}
		return obj.FullSerialize()
	}

	for _, tt := range []struct{ name, sealed, place string }{
		{"another place", sealed, "there"},
		{"no place", sealed, ""},
		{"aad exchanged for the place asked for", edit("aad", encode("there")), "there"},
		{"no JSON", "x", "here"},
		{"text after it", sealed + "{}", "here"},
		{"unprotected header", edit("header", "{}"), "here"},
		{"tag exchanged", edit("tag", encode(strings.Repeat("x", 32))), "here"},
		{"algorithm A256GCMKW", forged(jose.A256GCMKW, jose.A256CBC_HS512, jose.NONE), "here"},
		{"encryption A256GCM", forged(jose.A256KW, jose.A256GCM, jose.NONE), "here"},
		{"zip", forged(jose.A256KW, jose.A256CBC_HS512, jose.DEFLATE), "here"},
	} {
		if text, err := open(t.Context(), []KEK{k}, tt.sealed, tt.place); err == nil {
			t.Errorf("%s: opened %q", tt.name, text)
		}
	}
	_, err = open(t.Context(), []KEK{other}, sealed, "here")
	if lacks, ok := errors.AsType[*missingKEK](err); !ok || lacks.id != k.ID() {
		t.Errorf("got %v, want that %s is missing", err, k.ID())
	}
}

// Whoever has the key-encryption key may still put a key in the wrong row.
func TestOpenPrivateComparesTheThumbprint(t *testing.T) {
	t.Parallel()
	k := newTestKEK(t)
	kid, err := thumbprint(&testKey(0).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		sealed, err := seal(t.Context(), k, testKey(i), oauth.AccessRing, kid)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openSealed(t.Context(), []KEK{k}, sealed, oauth.AccessRing, kid); (err == nil) != want {
			t.Errorf("key %d: %v", i, err)
		}
	}
	if sealed, err := k.seal(t.Context(), []byte("no key"), place(oauth.AccessRing, kid)); err != nil {
		t.Fatal(err)
	} else if _, err := openSealed(t.Context(), []KEK{k}, sealed, oauth.AccessRing, kid); err == nil {
		t.Error("text that is no key was opened")
	}
}

// Every form in which a secret number might be printed.
func canaries(k *rsa.PrivateKey) []string {
	var out []string
	for _, n := range append([]*big.Int{k.D, k.Precomputed.Dp, k.Precomputed.Qinv}, k.Primes...) {
		b := n.Bytes()
		out = append(out, n.String()[:40], hex.EncodeToString(b)[:40], strings.ToUpper(hex.EncodeToString(b))[:40],
			base64.StdEncoding.EncodeToString(b)[:40], base64.RawURLEncoding.EncodeToString(b)[:40],
			strings.Trim(fmt.Sprint(b[:12]), "[]"), string(b[:16]))
	}
	return out
}

func TestPrivateHalvesAreNeverPrinted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	mustRotate(t, r, oauth.AccessRing, false)
	s := r.snapshot.Load()
	signing := s.rings[oauth.AccessRing].signing

	var printed strings.Builder
	log := slog.New(slog.NewTextHandler(&printed, nil))
	jsonLog := slog.New(slog.NewJSONHandler(&printed, nil))
	values := []any{r, s, *s, signing, *signing, signing.private, &signing.private, r.cfg, w.kek, &w.kek, []KEK{w.kek}, s.rings[oauth.AccessRing]}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
			fmt.Fprintf(&printed, verb, v)
		}
		b, _ := json.Marshal(v)
		printed.Write(b)
		log.Info("x", "v", v)
		jsonLog.Info("x", "v", v)
	}
	doc, err := r.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(doc.Body)
	printed.WriteString(w.log.String())
	printed.WriteString(w.dump())

	var secrets []string
	for i := range int(w.made.Load()) {
		secrets = append(secrets, canaries(testKey(i))...)
	}
	kek := w.kek.secret()
	secrets = append(secrets, hex.EncodeToString(kek), strings.Trim(fmt.Sprint(kek), "[]"),
		base64.StdEncoding.EncodeToString(kek), string(kek))
	for _, secret := range secrets { // K-03, K-04
		if strings.Contains(printed.String(), secret) {
			t.Errorf("a secret is printed: %.12q…", secret)
		}
	}
	if !strings.Contains(printed.String(), redacted) {
		t.Error("nothing says that it was redacted")
	}
}

// dump is all rows that hold something sealed, as text.
func (w *world) dump() string {
	w.t.Helper()
	var out string
	err := w.pool.QueryRow(w.t.Context(), `select (select string_agg(k::text, ' ') from authd.signing_keys k)
		|| (select string_agg(c::text, ' ') from authd.kek_checks c)`).Scan(&out)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func FuzzOpen(f *testing.F) {
	k := newTestKEK(f)
	sealed, err := k.seal(f.Context(), []byte("secret"), "access kid")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "access kid")
	f.Add(strings.Replace(sealed, `"tag"`, `"Tag"`, 1), "access kid")
	f.Add(`{"protected":"","encrypted_key":"","iv":"","ciphertext":"","tag":""}`, "")
	f.Add(`{"protected":"`+encode(`{"alg":"A256KW","enc":"A256CBC-HS512","kid":"`+k.id+`"}`)+`","encrypted_key":"AAAA","iv":"AA","ciphertext":"","tag":""}`, "")
	f.Fuzz(func(t *testing.T, text, place string) {
		plaintext, err := open(t.Context(), []KEK{k}, text, place)
		if err == nil && (string(plaintext) != "secret" || place != "access kid") {
			t.Errorf("%q opened at %q as %q", text, place, plaintext)
		}
	})
}

func FuzzParseKEK(f *testing.F) {
	text, err := NewKEK(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(" " + strings.TrimRight(text, "=") + "\n")
	f.Add(strings.Repeat("A", 43))
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKEK(text)
		if err != nil {
			if len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Error("error repeats the key")
			}
			return
		}
		again, err := ParseKEK(base64.StdEncoding.EncodeToString(k.secret()))
		if err != nil || again.ID() != k.ID() || !bytes.Equal(again.secret(), k.secret()) {
			t.Errorf("%q is another key when written out: %v", text, err)
		}
	})
}

func TestThumbprint(t *testing.T) {
	t.Parallel()
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" +
		"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI" +
		"SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	pub, err := parsePublic([]byte(`{"kty":"RSA","e":"AQAB","alg":"RS256","kid":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs","n":"`+n+`"}`),
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs") // RFC 7638 §3.1
	if err != nil || pub == nil {
		t.Error(err)
	}
}
