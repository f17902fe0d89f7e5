package oauth

import (
	"slices"
	"strings"
)

// Scopes is a set of scope tokens in the order in which they were first named
// (RFC 6749 §3.3). On the wire it is one string, separated by single spaces.
type Scopes []string

// MaxScopes bounds the scope tokens of one request or registration.
const MaxScopes = 100

// ParseScopes reads the wire form. A repeated token counts once. It returns a refusal
// with [InvalidScope] for anything outside the grammar of RFC 6749 §3.3.
func ParseScopes(s string) (Scopes, error) {
	if s == "" {
		return nil, nil
	}
	n := strings.Count(s, " ") + 1
	if n > MaxScopes {
		return nil, Errorf(InvalidScope, "scope names more than %d values", MaxScopes)
	}
	scopes := make(Scopes, 0, n)
	for more := true; more; {
		var token string
		token, s, more = strings.Cut(s, " ")
		if err := scopes.add(token); err != nil {
			return nil, err
		}
	}
	return scopes, nil
}

// NewScopes makes a set of tokens, each checked as by [ParseScopes].
func NewScopes(tokens ...string) (Scopes, error) {
	scopes := make(Scopes, 0, len(tokens))
	for _, token := range tokens {
		if err := scopes.add(token); err != nil {
			return nil, err
		}
	}
	return scopes, nil
}

func (s *Scopes) add(token string) error {
	if !isScopeToken(token) {
		return Errorf(InvalidScope, "scope is malformed")
	}
	if !s.Has(token) {
		*s = append(*s, token)
	}
	return nil
}

// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
func isScopeToken(t string) bool {
	if t == "" || len(t) > 256 {
		return false
	}
	for i := range len(t) {
		if c := t[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// String is the wire form.
func (s Scopes) String() string { return strings.Join(s, " ") }

// Has compares byte by byte: "readonly" does not satisfy "read".
func (s Scopes) Has(token string) bool { return slices.Contains(s, token) }

// Within reports whether each token of s is in t.
func (s Scopes) Within(t Scopes) bool {
	for _, token := range s {
		if !t.Has(token) {
			return false
		}
	}
	return true
}

// Intersect keeps the tokens of s that are in t, in the order of s.
func (s Scopes) Intersect(t Scopes) Scopes {
	kept := make(Scopes, 0, len(s))
	for _, token := range s {
		if t.Has(token) {
			kept = append(kept, token)
		}
	}
	return kept
}
