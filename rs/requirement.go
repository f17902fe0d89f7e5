package rs

import (
	"fmt"

	"github.com/go-authd/authd/internal/oauth"
)

// Requirement is asked of a token beyond being valid. The zero value asks nothing.
type Requirement struct {
	unmet func(*Token) *Error // nil if the token meets it
	from  []Location          // of From: where the token may be, in place of Config.Locations
}

// Scopes requires all of the given scopes, else [ErrInsufficientScope]. They are compared whole and with case: a token
// with "readonly" does not pass Scopes("read"). A name outside the grammar of RFC 6749 §3.3 can be in no token, so
// it is always refused.
func Scopes(all ...string) Requirement {
	needed, err := oauth.NewScopes(all...)
	return Requirement{unmet: func(t *Token) *Error {
		if err == nil && needed.Within(t.Scopes) {
			return nil
		}
		refusal := refuse(ErrInsufficientScope, fmt.Errorf("needs %q", all))
		if err == nil {
			refusal.Challenge += ", scope=" + quote(needed.String()) // RFC 6750 §3.1
		}
		return refusal
	}}
}
