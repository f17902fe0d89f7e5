package web

import (
	"net/http"

	"github.com/go-authd/authd/internal/oauth"
)

// anyOrigin lets every page read what everybody may read.
func anyOrigin(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD")
	h.Set("Access-Control-Allow-Headers", "*")
	h.Set("Access-Control-Max-Age", preflightMaxAge)
	return nil
}

// preflightMaxAge is in seconds. It may be long: the request itself is checked again.
const preflightMaxAge = "3600"

// clientPreflight answers for all public clients: a preflight does not say which it is.
func (s *Server) clientPreflight(w http.ResponseWriter, r *http.Request) error {
	if err := s.clientOrigin(w, r); err != nil || w.Header().Get("Access-Control-Allow-Origin") == "" {
		return err
	}
	// No Authorization: a public client has nothing to put there.
	w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
	w.Header().Set("Access-Control-Max-Age", preflightMaxAge)
	return nil
}

// clientOrigin lets pages of public clients read the answer: never those of any origin,
// and never with credentials of the browser's.
func (s *Server) clientOrigin(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || len(origin) > maxOrigin || oauth.CheckOrigin(origin) != nil { // "null" among them
		return nil
	}
	allowed, err := s.cfg.OriginAllowed(r.Context(), origin)
	if err != nil || !allowed {
		return err
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id")
	return nil
}

// maxOrigin is a scheme, a name of 253 bytes and a port.
const maxOrigin = 300

func noOrigin(http.ResponseWriter, *http.Request) error { return nil }
