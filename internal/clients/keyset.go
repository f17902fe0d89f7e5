package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/go-authd/authd/internal/oauth"
)

// assertionAlgs are those that some registered key may be used with.
var assertionAlgs = []string{string(jose.RS256), string(jose.PS256), string(jose.ES256)}

// AssertionAlgs are the algorithms that assertions may be signed with.
func AssertionAlgs() []string { return slices.Clone(assertionAlgs) }

const (
	minRSABits = 2048
	maxRSABits = 8192 // verifying takes time with the square
	// maxClientKeys bounds the work for an assertion that names no key. Two are enough to
	// change one.
	maxClientKeys = 10
)

// clientKey is a public key of a client, and what it may be used with: the key decides on
// the algorithm, never the token alone (RFC 8725 §3.1).
type clientKey struct {
	kid  string // "": whatever kid a token names
	algs []string
	key  any // *rsa.PublicKey or *ecdsa.PublicKey
}

// normalizeKeySet returns the public members of a JWK set (RFC 7517 §5) that somebody
// registers, or a refusal that says which key is wrong and why.
func normalizeKeySet(doc string) (string, error) {
	raws, err := splitKeySet([]byte(doc))
	if err != nil {
		return "", invalid("jwks: %s", err)
	}
	var out jose.JSONWebKeySet
	for i, raw := range raws {
		k, err := parseClientKey(raw)
		if err != nil {
			return "", invalid("jwks: key %d: %s", i+1, err)
		}
		if k.kid != "" && len(out.Key(k.kid)) > 0 {
			return "", invalid("jwks: key %d: its kid stands twice", i+1)
		}
		jwk := jose.JSONWebKey{Key: k.key, KeyID: k.kid, Use: "sig"}
		if len(k.algs) == 1 {
			jwk.Algorithm = k.algs[0]
		}
		out.Keys = append(out.Keys, jwk)
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// parseKeySet returns the keys of a set that verify assertions; others, such as those for
// encryption, are left out.
func parseKeySet(doc []byte) ([]clientKey, error) {
	raws, err := splitKeySet(doc)
	if err != nil {
		return nil, err
	}
	var keys []clientKey
	var first error
	for i, raw := range raws {
		k, err := parseClientKey(raw)
		switch {
		case err == nil:
			keys = append(keys, k)
		case first == nil:
			first = fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key is usable: %w", first)
	}
	return keys, nil
}

func splitKeySet(doc []byte) ([]json.RawMessage, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, errors.New("not a JWK set")
	}
	if n := len(set.Keys); n < 1 || n > maxClientKeys {
		return nil, fmt.Errorf("a JWK set has 1 to %d keys, this one %d", maxClientKeys, n)
	}
	return set.Keys, nil
}

// privateMembers of RSA, elliptic and symmetric keys (RFC 7518 §6): whoever shows them has
// lost the key.
var privateMembers = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// parseClientKey's errors name members and hold nothing of their values.
func parseClientKey(raw json.RawMessage) (clientKey, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return clientKey{}, errors.New("not a JWK")
	}
	for _, name := range privateMembers {
		if _, ok := members[name]; ok {
			return clientKey{}, errors.New("it has private members: give the public key, and make a new pair, since this one was shown")
		}
	}
	if ops, ok := members["key_ops"]; ok && !permitsVerify(ops) {
		return clientKey{}, errors.New("key_ops has no verify")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return clientKey{}, errors.New("not a public key of kty RSA or EC")
	}
	switch {
	case jwk.Use != "" && jwk.Use != "sig":
		return clientKey{}, errors.New("use is not sig")
	case !oauth.IsText(jwk.KeyID) || len(jwk.KeyID) > 256:
		return clientKey{}, errors.New("kid is longer than 256 bytes or no text")
	}
	algs, err := algsOf(jwk.Key)
	if err != nil {
		return clientKey{}, err
	}
	if jwk.Algorithm != "" {
		if !slices.Contains(algs, jwk.Algorithm) {
			return clientKey{}, errors.New("alg is not RS256 or PS256 with an RSA key, ES256 with one on P-256")
		}
		algs = []string{jwk.Algorithm}
	}
	return clientKey{jwk.KeyID, algs, jwk.Key}, nil
}

// permitsVerify reads key_ops (RFC 7517 §4.3), which go-jose does not.
func permitsVerify(ops json.RawMessage) bool {
	var names []string
	return json.Unmarshal(ops, &names) == nil && slices.Contains(names, "verify")
}

// algsOf refuses keys that are too weak, and those that are not for signatures.
func algsOf(key any) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); {
		case bits < minRSABits || bits > maxRSABits:
			return nil, fmt.Errorf("modulus has %d bits, want %d to %d", bits, minRSABits, maxRSABits)
		case key.N.Bit(0) == 0:
			return nil, errors.New("modulus is even")
		case key.E < 3 || key.E%2 == 0 || key.E > math.MaxInt32:
			return nil, errors.New("exponent is not odd and between 3 and 2^31-1")
		}
		return []string{string(jose.RS256), string(jose.PS256)}, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return []string{string(jose.ES256)}, nil
		}
	}
	return nil, errors.New("not an RSA key or one on P-256")
}

// verify reports whether one of keys has signed a.
func (a *assertion) verify(keys []clientKey) error {
	found := false
	for _, k := range keys {
		if a.Kid != "" && k.kid != "" && a.Kid != k.kid || !slices.Contains(k.algs, a.Alg) {
			continue
		}
		found = true
		if a.isSignedBy(k) {
			return nil
		}
	}
	if !found {
		return errors.New("no registered key has its kid and alg")
	}
	return errors.New("wrong signature")
}

func (a *assertion) isSignedBy(k clientKey) bool {
	jws, err := jose.ParseSignedCompact(a.Raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a.Alg)})
	if err != nil {
		return false
	}
	_, err = jws.Verify(k.key)
	return err == nil
}
