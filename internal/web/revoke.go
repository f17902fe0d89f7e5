package web

import (
	"net/http"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// revoke serves POST /oauth2/revoke (RFC 7009). token_type_hint is read by nobody, which
// §2.1 allows: a token says itself what it is.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request, c call) error {
	token, err := requiredToken(c.form)
	if err != nil {
		return err
	}
	if err := s.cfg.Tokens.Revoke(r.Context(), c.caller, token, tokens.ReasonClient); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK) // RFC 7009 §2.2: the body is ignored
	return nil
}

func requiredToken(form oauth.Form) (string, error) {
	token := form.Get("token")
	if token == "" {
		return "", oauth.Errorf(oauth.InvalidRequest, "token is missing")
	}
	return token, nil
}
