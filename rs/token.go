package rs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// Claims holds all claims under their exact names, numbers as [encoding/json.Number].
	Claims map[string]any

	raw *string // the token itself, for introspection; a pointer, because no %+v shows what it points to
}

// readToken checks all that claims must be, the lifetime's end last: "expired" is for tokens that were good.
func (v *Verifier) readToken(c oauth.Compact) (*Token, *Error) {
	claims, err := c.Claims()
	if err != nil {
		return nil, invalid(fmt.Errorf("claims: %w", err))
	}
	r := claimReader{claims: claims}
	t := r.token()
	t.Kid = c.Kid
	notBefore := r.optionalDate("nbf")
	if r.err != nil {
		return nil, invalid(r.err)
	}

	now := v.cfg.Now()
	latest := now.Add(v.cfg.Leeway)
	switch {
	case t.Issuer != v.cfg.Issuer:
		return nil, invalid(errors.New("iss is another issuer"))
	case !slices.Contains(t.Audience, v.cfg.Audience):
		return nil, invalid(errors.New("aud is another resource server"))
	case t.ExpiresAt.Sub(t.IssuedAt) > v.cfg.MaxLifetime:
		return nil, invalid(errors.New("exp is too long after iat"))
	case t.IssuedAt.After(latest):
		return nil, invalid(errors.New("iat is in the future"))
	case notBefore.After(latest):
		return nil, invalid(errors.New("nbf is in the future"))
	case !now.Before(t.ExpiresAt.Add(v.cfg.Leeway)): // RFC 7519 §4.1.4: refused on exp itself
		return nil, refuse(ErrExpired, nil)
	}
	return t, nil
}

// claimReader reads claims of RFC 9068 §2.2 and keeps the first error.
type claimReader struct {
	claims map[string]any
	err    error
}

func (r *claimReader) token() *Token {
	fresh, _ := r.claims["fresh"].(bool)
	return &Token{
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
	if s == "" || strings.ContainsFunc(s, unicode.IsControl) {
		r.fail(name, "is not a non-empty string without control characters")
	}
	return s
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
		return []string{aud}
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
