package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-authd/authd/rs"
)

// session keeps the tokens of the application's own pages in cookies, so that no script can read them.
type session struct {
	issuer, client string
	verifier       *rs.Verifier
	cookies        *rs.Cookies
}

func (s *session) routes() http.Handler {
	mux := http.NewServeMux()
	own := http.NewCrossOriginProtection() // there is no token yet that a CSRF value could belong to
	mux.Handle("POST /session/login", own.Handler(http.HandlerFunc(s.login)))
	mux.HandleFunc("POST /session/refresh", s.refresh)
	mux.HandleFunc("POST /session/logout", s.logout)
	mux.Handle("POST /session/recipes", s.verifier.Required(rs.From(rs.Cookie(s.cookies)))(http.HandlerFunc(createRecipe)))
	return mux
}

func (s *session) login(w http.ResponseWriter, r *http.Request) {
	signIn := struct {
		ClientID string `json:"client_id"`
		Username string `json:"username"`
		Password string `json:"password"`
	}{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&signIn); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"msg": "Missing JSON in request"})
		return
	}
	signIn.ClientID = s.client // whatever the page says
	body, err := json.Marshal(signIn)
	if err != nil {
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	s.keep(w, r, "/account/login", "application/json", body)
}

func (s *session) refresh(w http.ResponseWriter, r *http.Request) {
	token, err := s.cookies.RefreshToken(r)
	if refusal, ok := errors.AsType[*rs.Error](err); ok {
		message(w, r, refusal)
		return
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {s.client}, "refresh_token": {token}}
	s.keep(w, r, "/oauth2/token", "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// keep puts the tokens of the answer into cookies. The browser gets nothing else of them.
func (s *session) keep(w http.ResponseWriter, r *http.Request, path, contentType string, body []byte) {
	tokens, status, err := s.post(r.Context(), path, contentType, body)
	if err == nil && status != http.StatusOK {
		answer(w, http.StatusUnauthorized, map[string]any{"msg": "sign in again"})
		return
	}
	var t *rs.Token
	if err == nil {
		t, err = s.verifier.Verify(r.Context(), tokens.AccessToken)
	}
	if err == nil {
		err = s.cookies.SetTokenCookie(w, t)
	}
	if err == nil {
		err = s.cookies.SetRefreshCookie(w, tokens.RefreshToken, 14*24*time.Hour)
	}
	if err != nil {
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *session) logout(w http.ResponseWriter, r *http.Request) {
	token, err := s.cookies.RefreshToken(r)
	if refusal, ok := errors.AsType[*rs.Error](err); ok {
		message(w, r, refusal)
		return
	}
	body, _ := json.Marshal(map[string]string{"client_id": s.client, "refresh_token": token})
	if _, status, err := s.post(r.Context(), "/account/logout", "application/json", body); err != nil || status != http.StatusOK {
		http.Error(w, "try again later", http.StatusServiceUnavailable) // still signed in, and still able to try again
		return
	}
	s.cookies.ClearTokenCookies(w)
	w.WriteHeader(http.StatusNoContent)
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// post calls authd. An error is an outage; a status of 5xx is one, too.
func (s *session) post(ctx context.Context, path, contentType string, body []byte) (t tokens, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.issuer, "/")+path, bytes.NewReader(body))
	if err != nil {
		return tokens{}, 0, err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return tokens{}, 0, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
		return tokens{}, 0, fmt.Errorf("authd answers %d", res.StatusCode)
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&t)
	return t, res.StatusCode, err
}
