package oauth

import (
	"fmt"
	"net/http"
	"time"
)

// Code is the value of "error" in a refusal.
type Code string

// The codes of RFC 6749 §5.2 and of the specifications named beside them.
const (
	InvalidRequest       Code = "invalid_request"
	InvalidClient        Code = "invalid_client"
	InvalidGrant         Code = "invalid_grant"
	UnauthorizedClient   Code = "unauthorized_client"
	UnsupportedGrantType Code = "unsupported_grant_type"
	InvalidScope         Code = "invalid_scope"
	InvalidTarget        Code = "invalid_target" // RFC 8707 §2
	InvalidToken         Code = "invalid_token"  // RFC 6750 §3.1
	AccessDenied         Code = "access_denied"
	NotFresh             Code = "insufficient_user_authentication" // RFC 9470 §3
	InsufficientScope    Code = "insufficient_scope"               // RFC 6750 §3.1
	// Of the authorization endpoint: RFC 6749 §4.1.2.1, and OIDC Core §3.1.2.6.
	UnsupportedResponseType  Code = "unsupported_response_type"
	LoginRequired            Code = "login_required"
	ConsentRequired          Code = "consent_required"
	RequestNotSupported      Code = "request_not_supported"
	RequestURINotSupported   Code = "request_uri_not_supported"
	RegistrationNotSupported Code = "registration_not_supported"
	ServerError              Code = "server_error"
	// TemporarilyUnavailable is for every storage fault, full queue and throttle: the
	// client keeps its credentials and comes back after Retry-After.
	TemporarilyUnavailable Code = "temporarily_unavailable"

	// Of the account calls, which no RFC describes.
	InvalidCredentials Code = "invalid_credentials"
	UsernameTaken      Code = "username_taken"
	WeakPassword       Code = "weak_password"
	TooManyAttempts    Code = "too_many_attempts"

	// Of the pages: a request that is over, or begun in another browser; a form that another
	// site sent.
	Expired   Code = "expired"
	CrossSite Code = "cross_site"

	// NotFound is for paths where nothing is.
	NotFound Code = "not_found"
)

// Error is a refusal: the only kind of error whose text a client sees.
type Error struct {
	Code Code
	// Description helps an honest developer and tells an attacker nothing. It never
	// echoes input and never contains a quotation mark or backslash (RFC 6749 §5.2).
	Description string
	// Rule names the exact rule that failed, for the log only.
	Rule string
	// Status is the HTTP status; zero means the code's own.
	Status int
	// RetryAfter is when to come back; sent in whole seconds, rounded up. Zero: not sent.
	RetryAfter time.Duration
}

// Error implements error with the code and the description, or the rule where there is one.
func (e *Error) Error() string {
	if e.Rule != "" {
		return fmt.Sprintf("%s: %s (%s)", e.Code, e.Description, e.Rule)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Description)
}

// Errorf makes a refusal. Arguments must not come from the request.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// Because returns a copy of e that names rule in the log.
func (e *Error) Because(rule string) *Error {
	c := *e
	c.Rule = rule
	return &c
}

// HTTPStatus is the status that e is answered with.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if s, ok := statuses[e.Code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// Codes that are not here are answered with 400 (RFC 6749 §5.2).
var statuses = map[Code]int{
	InvalidClient:          http.StatusUnauthorized,
	InvalidToken:           http.StatusUnauthorized,
	NotFresh:               http.StatusUnauthorized,
	InvalidCredentials:     http.StatusUnauthorized,
	AccessDenied:           http.StatusForbidden,
	InsufficientScope:      http.StatusForbidden,
	NotFound:               http.StatusNotFound,
	UsernameTaken:          http.StatusConflict,
	TooManyAttempts:        http.StatusTooManyRequests,
	ServerError:            http.StatusInternalServerError,
	TemporarilyUnavailable: http.StatusServiceUnavailable,
}

// Internal and Unavailable stand for every error that is no refusal: nothing of its text
// leaves the process.
var (
	Internal    = &Error{Code: ServerError, Description: "something went wrong here"}
	Unavailable = &Error{
		Code: TemporarilyUnavailable, Description: "storage cannot be reached, try again", RetryAfter: time.Second,
	}
	// Busy sheds load before any work is done.
	Busy = &Error{Code: TemporarilyUnavailable, Description: "too busy, try again", RetryAfter: time.Second}
	// Over is for the browser of a request that is unknown, over, or another browser's.
	Over = &Error{
		Code: Expired, Description: "this sign-in is over, or began in another browser: go back to the application and begin again",
	}
)

// TooMany answers 429 to a client that holds good credentials and asks too often.
func TooMany(retryAfter time.Duration, rule string) *Error {
	return &Error{
		Code: TemporarilyUnavailable, Description: "too many requests, try again",
		Status: http.StatusTooManyRequests, RetryAfter: retryAfter, Rule: rule,
	}
}
