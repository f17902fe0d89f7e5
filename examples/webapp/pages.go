package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"

	"golang.org/x/oauth2"
)

var layout = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Shop</title>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
<p><a href="/">Shop</a> <a href="/profile">Profile</a> <a href="/orders">Orders</a></p>
{{if .SignedIn}}<form method="post" action="/sign-out"><button>Sign out</button></form>{{end}}
`))

type view struct {
	Title, Text string
	SignedIn    bool
}

func show(w http.ResponseWriter, status int, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := layout.Execute(w, v); err != nil {
		log.Print(err)
	}
}

func (a *app) welcome(w http.ResponseWriter, r *http.Request) {
	signedIn := a.sessions.get(a.cookie(r, sessionCookie)) != nil
	show(w, http.StatusOK, view{"Shop", "Welcome.", signedIn})
}

// profile shows what userinfo says.
func (a *app) profile(w http.ResponseWriter, r *http.Request, s *session) error {
	text, err := a.get(r, s, a.provider.UserInfoEndpoint())
	if err != nil {
		return err
	}
	var claims struct {
		Subject  string `json:"sub"`
		Username string `json:"preferred_username"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	if claims.Subject != s.subject { // OIDC Core §5.3.2
		return errors.New("userinfo is about somebody else")
	}
	show(w, http.StatusOK, view{"Profile", "You are " + claims.Username + ".", true})
	return nil
}

// orders shows what the API says.
func (a *app) orders(w http.ResponseWriter, r *http.Request, s *session) error {
	text, err := a.get(r, s, a.api+"/orders")
	if err != nil {
		return err
	}
	show(w, http.StatusOK, view{"Orders", string(text), true})
	return nil
}

// get reads a resource with the person's access token.
func (a *app) get(r *http.Request, s *session, url string) ([]byte, error) {
	token, err := s.tokens.Token()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	token.SetAuthHeader(req)
	return a.read(req)
}

var errEnded = errors.New("the access token is refused")

// read sends a request and returns the body of a good answer.
func (a *app) read(req *http.Request) ([]byte, error) {
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return io.ReadAll(io.LimitReader(res.Body, 1<<20))
	case http.StatusUnauthorized:
		return nil, errEnded
	}
	return nil, fmt.Errorf("%s answers %s", req.URL.Host, res.Status)
}

// notSignedIn answers a callback that came to nothing. The person is told no details: anybody can make up such an address.
func notSignedIn(w http.ResponseWriter, err error) {
	log.Printf("sign-in: %v", err)
	show(w, http.StatusForbidden, view{Title: "Not signed in", Text: "You can try it again."})
}

// failed answers a request for a page that could not be made.
func (a *app) failed(w http.ResponseWriter, r *http.Request, err error) {
	refused, isRefusal := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case errors.Is(err, errEnded), isRefusal && refused.ErrorCode == "invalid_grant":
		// The sign-in has ended at authd: on another device, by an operator, or by its age.
		a.sessions.end(a.cookie(r, sessionCookie))
		show(w, http.StatusForbidden, view{Title: "Signed out", Text: "Your sign-in has ended."})
	default: // the session stays: whoever did not answer may be back soon
		log.Printf("%s: %v", r.URL.Path, err)
		show(w, http.StatusBadGateway, view{Title: "Try again later", Text: "Something that this page needs did not answer."})
	}
}
