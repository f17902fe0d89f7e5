package web

import (
	"errors"
	"net/http"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// showLogin serves GET /login. Where somebody has signed in meanwhile, in another tab, it
// goes on.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	b := s.browser(r)
	next, err := s.cfg.Browsing.Resume(r.Context(), r.URL.Query().Get(pages.FieldRequest), b)
	if err != nil {
		return err
	}
	if next.Step != grants.StepSignIn {
		return s.proceed(w, r, next)
	}
	return s.renderLogin(w, r, http.StatusOK, next, next.Request.LoginHint, "")
}

func (s *Server) renderLogin(w http.ResponseWriter, r *http.Request, status int, next grants.Next, username string, problem pages.Problem) error {
	return s.pages.Render(w, r, status, pages.SignIn{
		Action: s.path + loginPath, Request: next.ID, UILocales: next.Request.UILocales,
		FormToken: formToken(s.cookies.get(r, browserCookie), loginPath, next.ID),
		Client:    shownName(next.Client), Username: username, Problem: problem,
	})
}

// signIn serves POST /login.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, form oauth.Form) error {
	b, id := s.browser(r), form.Get(pages.FieldRequest)
	if !isFormToken(form.Get(pages.FieldToken), b.ID, loginPath, id) {
		return errStale
	}
	username := form.Get(pages.FieldUsername)
	if username == "" || form.Get(pages.FieldPassword) == "" {
		return s.showMissing(w, r, id, username)
	}
	next, session, err := s.cfg.Browsing.SignInBrowser(r.Context(), id, b, username, form.Get(pages.FieldPassword))
	if session != "" {
		s.cookies.set(w, sessionCookie, session)
	}
	if err != nil && next.Step == grants.StepSignIn {
		return s.showProblem(w, r, next, username, err)
	}
	if err != nil {
		return err
	}
	return s.proceed(w, r, next)
}

// errStale is for a form without the token of the page that it claims to come from.
var errStale = &oauth.Error{
	Code: oauth.Expired, Status: http.StatusForbidden, Description: "this page is too old: go back to the application and begin again",
	Rule: "wrong form token",
}

func (s *Server) showMissing(w http.ResponseWriter, r *http.Request, id, username string) error {
	next, err := s.cfg.Browsing.Resume(r.Context(), id, s.browser(r))
	if err != nil {
		return err
	}
	if next.Step != grants.StepSignIn {
		return s.proceed(w, r, next)
	}
	return s.renderLogin(w, r, http.StatusBadRequest, next, username, pages.Missing)
}

// showProblem shows the form again for what a person can do something about.
func (s *Server) showProblem(w http.ResponseWriter, r *http.Request, next grants.Next, username string, err error) error {
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return err
	}
	s.failed(eventOf(r.Context()), err)
	status := refusal.HTTPStatus()
	if status == http.StatusUnauthorized { // RFC 9110 §15.5.2: there is no challenge here
		status = http.StatusBadRequest
	}
	setRetryAfter(w, status, refusal)
	return s.renderLogin(w, r, status, next, username, pages.Problem(refusal.Code))
}
