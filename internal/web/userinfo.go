package web

import (
	"net/http"
	"strings"

	"github.com/go-authd/authd/internal/oauth"
)

const userInfoPath = "/oauth2/userinfo"

// userInfo serves GET /oauth2/userinfo (OIDC Core §5.3), as JSON whatever Accept says.
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) error {
	if err := s.clientOrigin(w, r); err != nil {
		return err
	}
	token, err := requiredBearer(r)
	if err != nil {
		return err
	}
	return s.answerUserInfo(w, r, token)
}

// userInfoByForm also takes the token from the body (RFC 6750 §2.2), and never from the query.
func (s *Server) userInfoByForm(w http.ResponseWriter, r *http.Request, body []byte) error {
	if err := s.clientOrigin(w, r); err != nil {
		return err
	}
	token, err := bodyOrBearer(r, body)
	if err != nil {
		return err
	}
	return s.answerUserInfo(w, r, token)
}

func (s *Server) answerUserInfo(w http.ResponseWriter, r *http.Request, token string) error {
	claims, err := s.cfg.UserInfo.UserInfo(r.Context(), token)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, claims)
	return nil
}

// bodyOrBearer refuses a token in both places (RFC 6750 §2).
func bodyOrBearer(r *http.Request, body []byte) (string, error) {
	if len(body) == 0 {
		return requiredBearer(r)
	}
	form, err := oauth.ParseForm(strings.Join(r.Header.Values("Content-Type"), ","), body)
	if err != nil {
		return "", err
	}
	token := form.Get("access_token")
	if token == "" {
		return requiredBearer(r)
	}
	if len(r.Header.Values("Authorization")) > 0 {
		return "", oauth.Errorf(oauth.InvalidRequest, "the access token is sent in more than one way")
	}
	return token, nil
}

// userInfoPreflight lets pages of public clients send their access token.
func (s *Server) userInfoPreflight(w http.ResponseWriter, r *http.Request) error {
	if err := s.clientPreflight(w, r); err != nil || w.Header().Get("Access-Control-Allow-Origin") == "" {
		return err
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	return nil
}
