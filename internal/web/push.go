package web

import "net/http"

// push serves POST /oauth2/par (RFC 9126 §2). The client authenticates as at the token
// endpoint.
func (s *Server) push(w http.ResponseWriter, r *http.Request, c call) error {
	pushed, err := s.cfg.Browsing.Push(r.Context(), c.caller, c.form, s.cfg.Device(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, pushed)
	return nil
}
