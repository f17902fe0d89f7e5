package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Check is one thing without which the server is not ready. The name is all that
// /readyz says of a failure; the error is logged.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// readyTimeout is for all checks together.
const readyTimeout = 2 * time.Second

// healthz says that the process lives, and nothing else: a database that is away is no
// reason to kill it.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) error {
	eventOf(r.Context()).quiet = true
	writeJSON(w, http.StatusOK, health{Status: "ok"})
	return nil
}

type health struct {
	Status string   `json:"status"`
	Failed []string `json:"failed,omitempty"` // names of checks
}

// readyz says whether requests should come here.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	ev := eventOf(r.Context())
	ev.quiet = true
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer := health{Status: "ready"}
	var errs []error
	for _, check := range s.cfg.Checks {
		if err := check.Run(ctx); err != nil {
			answer.Failed = append(answer.Failed, check.Name)
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		writeJSON(w, http.StatusOK, answer)
		return nil
	}
	ev.err, ev.refusal = errors.Join(errs...), oauth.Unavailable
	answer.Status = "not ready"
	w.Header().Set("Retry-After", retryAfter(oauth.Unavailable.RetryAfter))
	writeJSON(w, http.StatusServiceUnavailable, answer)
	return nil
}
