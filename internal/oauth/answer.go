package oauth

import (
	"net/url"
	"strings"
)

// AuthorizationAnswer is what the browser takes back to the client.
type AuthorizationAnswer struct {
	RedirectURI string
	Mode        ResponseMode
	Params      []Param
	Refusal     *Error // nil for a code
}

// Param is one parameter of an answer.
type Param struct{ Name, Value string }

// Grant answers r with a code (RFC 6749 §4.1.2).
func (r *AuthorizationRequest) Grant(issuer, code string) *AuthorizationAnswer {
	return r.answer(issuer, nil, Param{"code", code})
}

// Refuse answers r with an error (RFC 6749 §4.1.2.1).
func (r *AuthorizationRequest) Refuse(issuer string, e *Error) *AuthorizationAnswer {
	return r.answer(issuer, e, Param{"error", string(e.Code)}, Param{"error_description", e.Description})
}

// answer adds state and, against mix-up, the issuer (RFC 9207 §2).
func (r *AuthorizationRequest) answer(issuer string, e *Error, params ...Param) *AuthorizationAnswer {
	if r.State != "" {
		params = append(params, Param{"state", r.State})
	}
	return &AuthorizationAnswer{r.RedirectURI, r.ResponseMode, append(params, Param{"iss", issuer}), e}
}

// Location is the redirect URI with the answer in its query, of which what was registered
// stays as it is (RFC 6749 §3.1.2).
func (a *AuthorizationAnswer) Location() string {
	var b strings.Builder
	b.WriteString(a.RedirectURI)
	sep := byte('?')
	if strings.Contains(a.RedirectURI, "?") {
		sep = '&'
	}
	for _, p := range a.Params {
		b.WriteByte(sep)
		b.WriteString(p.Name + "=" + url.QueryEscape(p.Value))
		sep = '&'
	}
	return b.String()
}
