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
	ErrMissing           = errors.New("rs: no bearer token")      // 401
	ErrMalformed         = errors.New("rs: malformed request")    // 400
	ErrExpired           = errors.New("rs: token expired")        // 401; everything else about the token is right
	ErrInvalid           = errors.New("rs: token invalid")        // 401
	ErrRevoked           = errors.New("revoked")                  // 401; always together with ErrInvalid
	ErrInsufficientScope = errors.New("rs: insufficient scope")   // 403
	ErrCSRF              = errors.New("rs: cross-site request")   // 403; only where the token is in a [Cookie]
	ErrUnavailable       = errors.New("rs: cannot verify tokens") // 503; the token may well be good
)

// Error is a refusal: what [Verifier.Verify] returns and Config.OnError gets.
type Error struct {
	Status int
	// Challenge is the WWW-Authenticate header (RFC 6750 §3), "" for 503.
	Challenge string
	// Err wraps one of the sentinels. Its text says which check failed: it is for logs, not for clients.
	Err error
}

// Error never holds the token or a part of it, except its kid.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap makes the sentinels visible to [errors.Is].
func (e *Error) Unwrap() error { return e.Err }

// refusals is the table of answers. A client learns that its token expired, so that it can fetch another one,
// and nothing about why a token is invalid.
var refusals = []struct {
	err         error
	status      int
	code        string
	description string
	challenge   string
}{
	{ErrMissing, http.StatusUnauthorized, "missing_token", "bearer token required", ""}, // RFC 6750 §3.1: no error attribute
	{ErrMalformed, http.StatusBadRequest, "invalid_request", "authorization is malformed or given twice", `Bearer error="invalid_request"`},
	{ErrExpired, http.StatusUnauthorized, "invalid_token", "token expired", `Bearer error="invalid_token", error_description="token expired"`},
	{ErrInvalid, http.StatusUnauthorized, "invalid_token", "token invalid", `Bearer error="invalid_token", error_description="token invalid"`},
	{ErrInsufficientScope, http.StatusForbidden, "insufficient_scope", "token lacks a scope", `Bearer error="insufficient_scope"`},
	{ErrCSRF, http.StatusForbidden, "invalid_request", "request is cross-site or lacks the CSRF value", `Bearer error="invalid_request", error_description="cross-site request"`},
	{ErrUnavailable, http.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be verified now, try again", ""},
}

// refuse makes the Error of a sentinel; cause may be nil.
func refuse(sentinel, cause error) *Error {
	e := &Error{Status: http.StatusInternalServerError, Err: sentinel}
	if cause != nil {
		e.Err = fmt.Errorf("%w: %w", sentinel, cause)
	}
	for _, r := range refusals {
		if r.err == sentinel {
			e.Status, e.Challenge = r.status, r.challenge
		}
	}
	return e
}

func invalid(cause error) *Error { return refuse(ErrInvalid, cause) }

// write answers in JSON, as the issuer does.
func (e *Error) write(w http.ResponseWriter) {
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	for _, r := range refusals {
		if r.status == e.Status && errors.Is(e.Err, r.err) { // a Checker's or KeySource's error may wrap another one
			body.Error, body.Description = r.code, r.description
			break
		}
	}
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
