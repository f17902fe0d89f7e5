package rs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// What a request or a token can be refused for; test with [errors.Is].
var (
	ErrMissing           = errors.New("rs: no bearer token")                 // 401
	ErrMalformed         = errors.New("rs: malformed request")               // 400
	ErrExpired           = errors.New("rs: token expired")                   // 401; everything else about the token is right
	ErrInvalid           = errors.New("rs: token invalid")                   // 401
	ErrRevoked           = fmt.Errorf("%w: revoked", ErrInvalid)             // 401; is an ErrInvalid, too
	ErrNoSubject         = fmt.Errorf("%w: no such subject", ErrInvalid)     // 401; is an ErrInvalid, too
	ErrNotFresh          = errors.New("rs: sign-in is not recent or strong") // 401 (RFC 9470)
	ErrInsufficientScope = errors.New("rs: insufficient scope")              // 403
	ErrDenied            = errors.New("rs: access denied")                   // 403; a Check said no
	ErrCSRF              = errors.New("rs: cross-site request")              // 403; only where the token is in a [Cookie]
	ErrUnavailable       = errors.New("rs: cannot verify tokens")            // 503; the token may well be good
)

// Error is a refusal: what [Verifier.Verify] returns and Config.OnError gets.
type Error struct {
	Status int
	// Challenge is the WWW-Authenticate header (RFC 6750 §3), "" for 503.
	Challenge string
	// Code and Description are what the client is told in the body.
	Code, Description string
	// Err wraps one of the sentinels. Its text says which check failed: it is for logs, not for clients.
	Err error
}

// Error never holds the token or a part of it, except its kid.
func (e *Error) Error() string {
	if e == nil || e.Err == nil { // a host made it
		return "rs: refused"
	}
	return e.Err.Error()
}

// Unwrap makes the sentinels visible to [errors.Is].
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// row is one of the table of answers.
type row struct {
	err         error
	status      int
	code        string
	description string
	challenge   string // "Bearer" alone gets the realm: see Verifier.refusal
}

// refusals is the table of answers. A client learns that its token is over, so that it can get another one, and
// nothing about why a token is invalid. What is also an ErrInvalid stands before it.
var refusals = []row{
	{ErrMissing, http.StatusUnauthorized, "missing_token", "bearer token required", "Bearer"}, // RFC 6750 §3.1: no error attribute
	{ErrMalformed, http.StatusBadRequest, "invalid_request", "authorization is malformed or given twice", `Bearer error="invalid_request"`},
	{ErrExpired, http.StatusUnauthorized, "invalid_token", "token expired", `Bearer error="invalid_token", error_description="token expired"`},
	{ErrRevoked, http.StatusUnauthorized, "invalid_token", "token revoked", `Bearer error="invalid_token", error_description="token revoked"`},
	{ErrInvalid, http.StatusUnauthorized, "invalid_token", "token invalid", `Bearer error="invalid_token", error_description="token invalid"`},
	{ErrNotFresh, http.StatusUnauthorized, "insufficient_user_authentication", "sign in again", `Bearer error="insufficient_user_authentication"`},
	{ErrInsufficientScope, http.StatusForbidden, "insufficient_scope", "token lacks a scope", `Bearer error="insufficient_scope"`},
	{ErrDenied, http.StatusForbidden, "access_denied", "access denied", "Bearer"}, // RFC 6750 has no code for it
	{ErrCSRF, http.StatusForbidden, "invalid_request", "request is cross-site or lacks the CSRF value", `Bearer error="invalid_request", error_description="cross-site request"`},
	{ErrUnavailable, http.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be verified now, try again", ""},
}

// refuse makes the Error of a sentinel; cause may be nil.
func refuse(sentinel, cause error) *Error {
	err := sentinel
	if cause != nil {
		err = fmt.Errorf("%w: %w", sentinel, cause)
	}
	for _, r := range refusals {
		if errors.Is(sentinel, r.err) {
			return r.refuse(err)
		}
	}
	return &Error{Status: http.StatusInternalServerError, Code: "server_error", Err: err}
}

func (r row) refuse(err error) *Error {
	return &Error{r.status, r.challenge, r.code, r.description, err}
}

func invalid(cause error) *Error { return refuse(ErrInvalid, cause) }

// judge makes a refusal of the error of a host's function: an *Error stands, an error that wraps a sentinel is
// answered as the table says, that of a context is an outage, and anything else is otherwise.
func judge(err, otherwise error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e != nil && e.Status >= 400 && e.Status <= 599 {
		return e
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r.refuse(err)
		}
	}
	if isContextError(err) {
		otherwise = ErrUnavailable
	}
	return refuse(otherwise, err)
}

// refusal is err as it leaves the verifier. It is a copy: a host may give the same *Error again and again.
func (v *Verifier) refusal(err error) *Error {
	e := *judge(err, ErrUnavailable)
	if e.Challenge == "Bearer" {
		e.Challenge += " realm=" + quote(v.cfg.Realm)
	}
	if v.metadataURL != "" && strings.HasPrefix(e.Challenge, "Bearer ") && !strings.Contains(e.Challenge, metadataParam) {
		e.Challenge += ", " + metadataParam + quote(v.metadataURL) // RFC 9728 §5.1
	}
	return &e
}

const metadataParam = "resource_metadata="

// Respond answers with the refusal in JSON, as the issuer does. The middlewares do so unless there is a Config.OnError.
func (e *Error) Respond(w http.ResponseWriter) {
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, e.Description}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if e.Challenge != "" {
		h.Set("WWW-Authenticate", e.Challenge)
	}
	if e.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(int(refetchInterval.Seconds())))
	}
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody left to tell
}

// quote makes a quoted-string of printable ASCII (RFC 9110 §5.6.4); anything else becomes a question mark.
func quote(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
