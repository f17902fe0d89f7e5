package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	// requestTimeout is for the work on a request whose body has been read.
	requestTimeout = 8 * time.Second
	// maxAtWork bounds the requests of this process that are past their body: each of
	// them may wait for a database connection. The rest is turned away at once.
	maxAtWork = 2048
)

// Values that many answers share. Nobody changes one: Set replaces the slice, and Add
// copies one that is full.
var (
	noStore      = []string{"no-store"} // RFC 6749 §5.1, with the next
	noCache      = []string{"no-cache"}
	loadsNothing = []string{"default-src 'none'; frame-ancestors 'none'"}
	noSniffing   = []string{"nosniff"}
	everyOrigin  = []string{"*"}
	jsonType     = []string{"application/json"}
)

// setHeaders is for every answer. Documents that may be cached say so later.
func setHeaders(h http.Header, id string) {
	h["Cache-Control"] = noStore
	h["Pragma"] = noCache
	h["Content-Security-Policy"] = loadsNothing
	h["X-Content-Type-Options"] = noSniffing
	h["X-Request-Id"] = []string{id}
}

// limited reads the whole body before anything else happens, so that a slow client holds
// nothing but its connection.
func (s *Server) limited(h func(http.ResponseWriter, *http.Request, []byte) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := readBody(w, r)
		if err != nil {
			return err
		}
		return s.bounded(func(w http.ResponseWriter, r *http.Request) error { return h(w, r, body) })(w, r)
	}
}

// bounded is for what may touch the database.
func (s *Server) bounded(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			return oauth.Busy.Because("too many requests at work")
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		return h(w, r.WithContext(ctx))
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, oauth.MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		w.Header().Set("Connection", "close") // the rest is not read, however much it is
		return nil, &oauth.Error{
			Code: oauth.InvalidRequest, Status: http.StatusRequestEntityTooLarge, Description: "request body is larger than 64 KiB",
		}
	}
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "request body could not be read")
	}
	return body, nil
}
