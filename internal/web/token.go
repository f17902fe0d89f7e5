package web

import "net/http"

// token serves POST /oauth2/token (RFC 6749 §3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request, c call) error {
	response, err := s.cfg.Grants.Token(r.Context(), c.caller, c.form, s.cfg.Device(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, response)
	return nil
}
