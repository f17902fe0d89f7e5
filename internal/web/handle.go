package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// handler serves a request or returns why not; it never does both.
type handler func(http.ResponseWriter, *http.Request) error

// handle makes h an http.Handler. Nothing else turns an error into a response, so no
// handler can answer with an error and then carry on.
func (s *Server) handle(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := protect(h, w, r)
		if err == nil {
			return
		}
		ev := eventOf(r.Context())
		ev.err, ev.refusal = err, s.refusal(err)
		if ev.status != 0 { // half an answer must not look like a whole one
			panic(http.ErrAbortHandler)
		}
		writeRefusal(w, ev.refusal, ev.id)
	})
}

// refusal is what the client may hear of err: what a service says on purpose, or nothing.
func (s *Server) refusal(err error) *oauth.Error {
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		return refusal
	}
	// Storage: clients throw credentials away on 400, and on 401.
	if s.cfg.Unavailable(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return oauth.Unavailable
	}
	return oauth.Internal
}

// protect makes a panic of h an error.
func protect(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); {
		case v == nil:
		case v == http.ErrAbortHandler: // net/http's own way to end a connection
			panic(v)
		default:
			err = newPanicError(v)
		}
	}()
	return h(w, r)
}

// panicError tells where the panic was. What was panicked with may hold a secret: only its
// type is kept, unless it comes from the runtime.
type panicError struct {
	what  string
	stack []string // function and line, no arguments
}

func (e *panicError) Error() string { return "panic: " + e.what }

const maxFrames = 64

func newPanicError(v any) *panicError {
	e := &panicError{what: fmt.Sprintf("%T", v)}
	if fault, ok := v.(runtime.Error); ok {
		e.what = fault.Error()
	}
	pcs := make([]uintptr, maxFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		e.stack = append(e.stack, f.Function+":"+strconv.Itoa(f.Line))
	}
	return e
}

// writeRefusal writes the error answer of RFC 6749 §5.2.
func writeRefusal(w http.ResponseWriter, e *oauth.Error, id string) {
	status := e.HTTPStatus()
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(e.Code))
	}
	if e.Code == oauth.InsufficientScope { // RFC 6750 §3.1: userinfo is all that asks for one
		w.Header().Set("WWW-Authenticate", challenge(e.Code)+`, scope="`+oauth.ScopeOpenID+`"`)
	}
	setRetryAfter(w, status, e)
	writeJSON(w, status, struct {
		Code        oauth.Code `json:"error"`
		Description string     `json:"error_description,omitempty"`
		ID          string     `json:"error_id"`
	}{e.Code, description(e.Description), id})
}

func setRetryAfter(w http.ResponseWriter, status int, e *oauth.Error) {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter(e.RetryAfter))
	}
}

// challenge is never absent from a 401 (RFC 9110 §11.6.1).
func challenge(code oauth.Code) string {
	switch code {
	case oauth.InvalidClient:
		return `Basic realm="authd"`
	case oauth.InvalidToken, oauth.NotFresh, oauth.InsufficientScope: // RFC 6750 §3, RFC 9470 §3
		return `Bearer realm="authd", error="` + string(code) + `"`
	default:
		return `Bearer realm="authd"`
	}
}

// retryAfter is in whole seconds, rounded up, at least one (RFC 9110 §10.2.3).
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(max(int64((d+time.Second-1)/time.Second), 1), 10)
}

// description leaves out what RFC 6749 §5.2 does not allow in error_description:
// everything but %x20-21 / %x23-5B / %x5D-7E.
func description(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// writeJSON takes values of ours, which can always be encoded. That the client is gone is
// nobody's error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header()["Content-Type"] = jsonType
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
