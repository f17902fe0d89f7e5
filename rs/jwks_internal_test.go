package rs

import "testing"

// Whatever a JWKS endpoint answers, nothing but keys that may verify RS256 comes out of it.
func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","kid":"k","crv":"P-256","x":"AA","y":"AA"},null,1]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, _, err := parseJWKS(doc)
		if err == nil && len(keys) == 0 {
			t.Error("an empty set is no error")
		}
		for kid, key := range keys {
			if kid == "" || checkKey(key) != nil {
				t.Errorf("key %q: %v", kid, checkKey(key))
			}
		}
	})
}
