package web

import "net/http"

// introspect serves POST /oauth2/introspect (RFC 7662), as JSON whatever Accept says.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request, c call) error {
	token, err := requiredToken(c.form)
	if err != nil {
		return err
	}
	answer, err := s.cfg.Tokens.Introspect(r.Context(), c.caller, token)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}
