package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
)

// secret is what must not be found, in the forms in which programs write such things.
type secret struct {
	name  string
	forms []form
}

type form struct{ name, text string }

// bytesSecret: of what begins with something public, only the second half is secret.
func bytesSecret(name string, b []byte, secondHalf bool) secret {
	s := secret{name, []form{
		{"base64", base64.StdEncoding.EncodeToString(b)},
		{"base64url", base64.RawURLEncoding.EncodeToString(b)},
		{"hex", hex.EncodeToString(b)},
		{"HEX", strings.ToUpper(hex.EncodeToString(b))},
		{"decimal bytes", fmt.Sprint(b)},
		{"quoted bytes", fmt.Sprintf("%q", b)},
		{"bytes", string(b)},
	}}
	for i, f := range s.forms {
		if secondHalf {
			s.forms[i].text = f.text[len(f.text)/2:]
		}
	}
	return s
}

func numberSecret(name string, n *big.Int) secret {
	s := bytesSecret(name, n.Bytes(), false)
	s.forms = append(s.forms, form{"decimal", n.String()}, form{"words", fmt.Sprint(n.Bits())})
	return s
}

// textSecret is one that was text from the beginning.
func textSecret(name, text string) secret {
	s := bytesSecret(name, []byte(text), false)
	s.forms = append(s.forms, form{"query", url.QueryEscape(text)})
	return s
}

// tokenSecret is the signature: without it a token is worth nothing.
func tokenSecret(name, token string) secret {
	return textSecret(name, token[strings.LastIndexByte(token, '.')+1:])
}

// keySecrets are the private members (RFC 7518 §6.3.2) and the encodings of the whole.
func keySecrets(name string, key *rsa.PrivateKey) ([]secret, error) {
	pkcs8, err8 := x509.MarshalPKCS8PrivateKey(key)
	jwk, errJWK := json.Marshal(jose.JSONWebKey{Key: key})
	all := []secret{
		numberSecret(name+" d", key.D),
		numberSecret(name+" p", key.Primes[0]),
		numberSecret(name+" q", key.Primes[1]),
		numberSecret(name+" dp", key.Precomputed.Dp),
		numberSecret(name+" dq", key.Precomputed.Dq),
		numberSecret(name+" qi", key.Precomputed.Qinv),
		bytesSecret(name+" PKCS #8", pkcs8, true),
		bytesSecret(name+" PKCS #1", x509.MarshalPKCS1PrivateKey(key), true),
		bytesSecret(name+" JWK", jwk, true),
	}
	return all, errors.Join(err8, errJWK)
}

// paper is something that anybody may come to see.
type paper struct{ name, text string }

// window is the length of a piece of a form: a secret that is cut off leaks as well.
const window = 20

// finder knows the beginning, the middle and the end of each form of each secret.
type finder map[string][]string

func newFinder(secrets []secret) finder {
	f := make(finder)
	for _, s := range secrets {
		for _, form := range s.forms {
			text, name := bare(form.text), s.name+" as "+form.name
			for _, at := range []int{0, (len(text) - window) / 2, len(text) - window} {
				piece := text[at : at+window] // a shorter secret is no secret
				if !slices.Contains(f[piece], name) {
					f[piece] = append(f[piece], name)
				}
			}
		}
	}
	return f
}

// bare takes away how a text was broken into lines, separated or escaped.
var barer = strings.NewReplacer(
	`\u002b`, "+", `\u002B`, "+", `\u002f`, "/", `\u002F`, "/", `\u003d`, "=", `\u003D`, "=", "%2B", "+", "%2F", "/", "%3D", "=",
	`\`, "", " ", "", "\n", "", "\r", "", "\t", "", ":", "", ",", "")

func bare(s string) string { return barer.Replace(s) }

// find lists what of the secrets stands in a text, each once, sorted.
func (f finder) find(text string) (found []string) {
	seen := make(map[string]bool)
	text = bare(text)
	for i := range max(0, len(text)-window+1) {
		for _, name := range f[text[i:i+window]] {
			if !seen[name] {
				seen[name] = true
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found
}

// The finder is worth what it finds: each line is a way in which a key or a secret got out
// of some program.
func TestFinder(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keySecrets("key", key)
	if err != nil {
		t.Fatal(err)
	}
	text := "hK3+/x2m9vT0qL+8wZb1nYc5/RdEfGhJ"
	f := newFinder(append(secrets, textSecret("text", text)))
	pkcs8, pkcs1 := secrets[6], secrets[7]
	if pkcs8.name != "key PKCS #8" || pkcs1.name != "key PKCS #1" {
		t.Fatal("the secrets stand in another order")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "d", key.D.Bytes())
	jwk := mustJSON(t, jose.JSONWebKey{Key: key})

	for _, tt := range []struct{ name, text, want string }{
		{"a struct printed with %+v", fmt.Sprintf("%+v", key), "key d as decimal"},
		{"primes printed with %+v", fmt.Sprintf("%+v", key), "key p as decimal"},
		{"the key as a JWK", jwk, "key qi as base64url"},
		{"a JWK in a bearer of base64", base64.StdEncoding.EncodeToString([]byte(jwk)), "key JWK as base64"},
		{"PKCS #8 in PEM", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "key PKCS #8 as base64"},
		{"PKCS #8 in PEM, in JSON", mustJSON(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), "key PKCS #8 as base64"},
		{"PKCS #1 in PEM", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), "key PKCS #1 as base64"},
		{"a bytea of PostgreSQL", fmt.Sprintf(`\\x%x`, der), "key PKCS #8 as hex"},
		{"openssl rsa -text", fmt.Sprintf("% x", key.Primes[1].Bytes()), "key q as hex"},
		{"a hex dump in capitals", fmt.Sprintf("% X", key.Precomputed.Dp.Bytes()), "key dp as HEX"},
		{"bytes in a log line", logged.String(), "key d as quoted bytes"},
		{"bytes printed with %v", fmt.Sprintf("%v", key.Precomputed.Dq.Bytes()), "key dq as decimal bytes"},
		{"the words of a number", fmt.Sprintf("%v", key.D.Bits()), "key d as words"},
		{"the first digits only", "d=" + key.D.String()[:30] + "…", "key d as decimal"},
		{"the end only", "…" + key.D.String()[200:], "key d as decimal"},
		{"bytes of a core file", "\x00\x01" + string(key.Primes[0].Bytes()) + "\x00", "key p as bytes"},
		{"a secret as it is", "password=" + text + "&x", "text as bytes"},
		{"a secret in a query", "https://example.com/?s=" + url.QueryEscape(text), "text as query"},
		{"a secret in JSON, escaped for HTML", strings.NewReplacer("+", `\u002b`, "/", `\/`).Replace(text), "text as bytes"},
		{"a secret as Basic credentials are", base64.StdEncoding.EncodeToString([]byte(text)), "text as base64"},
	} {
		if found := f.find("before " + tt.text + " after"); !slices.Contains(found, tt.want) {
			t.Errorf("%s: found %q, want %q among them", tt.name, found, tt.want)
		}
	}
	public := mustJSON(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k", Use: "sig", Algorithm: "RS256"}) + fmt.Sprintf("%+v", key.PublicKey)
	if found := f.find(public); found != nil {
		t.Errorf("found %q in the public half", found)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
