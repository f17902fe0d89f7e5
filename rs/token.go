package rs

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"

	"github.com/go-authd/authd/internal/oauth"
)

// Token is what a verified access token says. All readers of a request's context share it: do not change it.
type Token struct {
	Issuer   string
	Subject  string // equals ClientID where no person stands behind the token
	ClientID string
	ID       string // jti
	// SessionID is the token family ("sid"), "" for client_credentials.
	SessionID string
	Scopes    []string
	Audience  []string
	IssuedAt  time.Time
	ExpiresAt time.Time
	// AuthTime is when the person signed in; zero where none did, or the issuer does not say.
	AuthTime time.Time
	// Fresh says that the token comes straight from a sign-in, not from a refresh.
	Fresh bool
	Kid   string // names the key that signed the token
	// Header is the token's JOSE header.
	Header JOSEHeader
	// Claims holds all claims under their exact names, numbers as [encoding/json.Number]. See [Claim].
	Claims map[string]any
	// Source is the kind of place of the request where the token was, see [Location]; "" outside of requests.
	Source string
	// Expired marks a token that is over, which [AllowExpired] let through.
	Expired bool

	state *state
}

// state is what is known about a token beside what it says. What is no log's business is behind a second pointer: no
// verb of fmt follows that.
type state struct {
	*credential            // the token itself, and the place where it was
	locations   []Location // where it was looked for
	by          *Verifier  // who verified it
	revocation  bool       // Config.Revocation was asked
	subject     *any       // what Config.SubjectLoader loaded
}

// IsUser says whether a person stands behind the token: a client that asks for itself is its own subject (RFC 9068 §5).
func (t *Token) IsUser() bool { return t != nil && t.Subject != t.ClientID }

// readClaims checks all that claims must be at any time and for any verifier.
func readClaims(c oauth.Compact) (*verified, error) {
	claims, err := c.Claims()
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	d := &verified{raw: c.Raw}
	r := claimReader{claims: claims, single: d.audience[:]}
	d.token, d.notBefore = r.token(), r.optionalDate("nbf")
	d.token.Kid, d.token.Header = c.Kid, JOSEHeader{Alg: "RS256", Kid: c.Kid, Typ: c.Typ}
	return d, r.err
}

// judge checks what claims say, the lifetime's end last: "expired" is for tokens that were good.
func (v *Verifier) judge(d *verified, now time.Time) *Error {
	t := &d.token
	latest := now.Add(v.cfg.Leeway)
	switch {
	case t.Issuer != v.cfg.Issuer:
		return invalid(errors.New("iss is another issuer"))
	case !slices.Contains(t.Audience, v.cfg.Audience):
		return invalid(errors.New("aud is another resource server"))
	case t.ExpiresAt.Sub(t.IssuedAt) > v.cfg.MaxLifetime:
		return invalid(errors.New("exp is too long after iat"))
	case t.IssuedAt.After(latest):
		return invalid(errors.New("iat is in the future"))
	case d.notBefore.After(latest):
		return invalid(errors.New("nbf is in the future"))
	case !now.Before(t.ExpiresAt.Add(v.cfg.Leeway)): // RFC 7519 §4.1.4: refused on exp itself
		return refuse(ErrExpired, nil)
	}
	return nil
}

// claimReader reads claims of RFC 9068 §2.2 and keeps the first error.
type claimReader struct {
	claims map[string]any
	single []string // room for the audience, if it is one
	err    error
}

func (r *claimReader) token() Token {
	fresh, _ := r.claims["fresh"].(bool)
	return Token{
		Issuer:    r.text("iss"),
		Subject:   r.text("sub"),
		ClientID:  r.text("client_id"),
		ID:        r.text("jti"),
		SessionID: r.optionalText("sid"),
		Scopes:    r.scopes(),
		Audience:  r.audience(),
		IssuedAt:  r.date("iat"),
		ExpiresAt: r.date("exp"),
		AuthTime:  r.optionalDate("auth_time"),
		Fresh:     fresh,
		Claims:    r.claims,
	}
}

func (r *claimReader) fail(name, why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s %s", name, why)
	}
}

// text refuses control characters, NUL above all: they end up in logs and SQL.
func (r *claimReader) text(name string) string {
	s, _ := r.claims[name].(string)
	if s == "" || hasControl(s) {
		r.fail(name, "is not a non-empty string without control characters")
	}
	return s
}

func hasControl(s string) bool {
	for _, c := range s {
		if c < ' ' || c >= 0x7f && unicode.IsControl(c) {
			return true
		}
	}
	return false
}

func (r *claimReader) optionalText(name string) string {
	if _, present := r.claims[name]; !present {
		return ""
	}
	return r.text(name)
}

func (r *claimReader) date(name string) time.Time {
	d, err := oauth.NumericDate(r.claims[name])
	if err != nil {
		r.fail(name, err.Error())
	}
	return d
}

func (r *claimReader) optionalDate(name string) time.Time {
	if _, present := r.claims[name]; !present {
		return time.Time{}
	}
	return r.date(name)
}

// audience takes a string or an array of strings (RFC 7519 §4.1.3).
func (r *claimReader) audience() []string {
	switch aud := r.claims["aud"].(type) {
	case string:
		r.single[0] = aud
		return r.single
	case []any:
		all := make([]string, 0, len(aud))
		for _, a := range aud {
			s, ok := a.(string)
			if !ok {
				r.fail("aud", "has a member that is no string")
			}
			all = append(all, s)
		}
		return all
	}
	r.fail("aud", "is neither a string nor an array")
	return nil
}

// scopes reads one string of words with single spaces (RFC 9068 §2.2.3). No claim means no scope.
func (r *claimReader) scopes() []string {
	scope, present := r.claims["scope"]
	if !present {
		return nil
	}
	s, ok := scope.(string)
	scopes, err := oauth.ParseScopes(s)
	if !ok || err != nil {
		r.fail("scope", "is not a space-separated string")
	}
	return scopes
}
