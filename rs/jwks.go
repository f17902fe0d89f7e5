package rs

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Verifying takes time with the square of the size, so that a huge key would be a way to stop a resource server; with
// fewer than 2048 bits a key can be broken. crypto/tls draws the upper line at the same place.
const (
	minKeyBits = 2048
	maxKeyBits = 8192
)

// checkKey refuses keys that cannot or must not verify RS256.
func checkKey(key *rsa.PublicKey) error {
	switch {
	case key == nil || key.N == nil:
		return errors.New("not known, or not an RSA key")
	case key.N.BitLen() < minKeyBits || key.N.BitLen() > maxKeyBits:
		return fmt.Errorf("modulus has %d bits, want %d to %d", key.N.BitLen(), minKeyBits, maxKeyBits)
	case key.N.Bit(0) == 0:
		return errors.New("modulus is even")
	case key.E < 3 || key.E%2 == 0 || key.E > math.MaxInt32:
		return errors.New("exponent is not odd and between 3 and 2^31-1")
	}
	return nil
}

// parseJWKS returns the keys of a JWK set (RFC 7517 §5) that can verify our tokens, by kid, and why each of the others
// was left out. A set without any usable key is an error: the issuer never publishes one.
func parseJWKS(doc []byte) (keys map[string]*rsa.PublicKey, ignored []error, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, nil, fmt.Errorf("not a JWK set: %w", err)
	}
	keys = make(map[string]*rsa.PublicKey)
	for i, raw := range set.Keys {
		kid, key, err := parseJWK(raw)
		if _, taken := keys[kid]; err == nil && taken {
			err = errors.New("kid stands twice, the first is used")
		}
		if err != nil {
			ignored = append(ignored, fmt.Errorf("key %d: %w", i, err))
			continue
		}
		keys[kid] = key
	}
	if len(keys) == 0 {
		return nil, ignored, errors.New("JWK set has no usable key")
	}
	return keys, ignored, nil
}

// privateMembers of an RSA or symmetric key (RFC 7518 §6.3.2, §6.4): whoever publishes them has lost the key.
var privateMembers = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func parseJWK(raw json.RawMessage) (kid string, key *rsa.PublicKey, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return "", nil, errors.New("not a JWK")
	}
	for _, name := range privateMembers {
		if _, ok := members[name]; ok {
			return "", nil, errors.New("JWK has private members")
		}
	}
	if ops, ok := members["key_ops"]; ok && !permitsVerify(ops) {
		return "", nil, errors.New("key_ops has no verify")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return "", nil, err
	}
	key, _ = jwk.Key.(*rsa.PublicKey)
	switch {
	case jwk.KeyID == "":
		return "", nil, errors.New("no kid")
	case jwk.Use != "" && jwk.Use != "sig":
		return "", nil, errors.New("use is not sig")
	case jwk.Algorithm != "" && jwk.Algorithm != string(jose.RS256):
		return "", nil, errors.New("alg is not RS256")
	}
	return jwk.KeyID, key, checkKey(key)
}

// permitsVerify reads key_ops (RFC 7517 §4.3), which go-jose does not.
func permitsVerify(ops json.RawMessage) bool {
	var names []string
	return json.Unmarshal(ops, &names) == nil && slices.Contains(names, "verify")
}
