package web

import (
	"errors"
	"net/http"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// showLogin serves GET /login. Where somebody has signed in meanwhile, in another tab, it
// goes on. Of no request, it leads to the account and nowhere else.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	b, next, err := s.signInStep(w, r, r.URL.Query().Get(pages.FieldRequest))
	if err != nil {
		return err
	}
	if next.Step != grants.StepSignIn {
		return s.proceed(w, r, next)
	}
	if s.cfg.HostSignIn != nil {
		s.askHost(w, r, b, next)
		return nil
	}
	return s.renderLogin(w, r, http.StatusOK, b, next, next.Request.LoginHint, "")
}

// signInStep says where a request stands, or that a sign-in of none begins.
func (s *Server) signInStep(w http.ResponseWriter, r *http.Request, id string) (grants.Browser, grants.Next, error) {
	if id == "" {
		b, err := s.knownBrowser(w, r)
		return b, grants.Next{Step: grants.StepSignIn}, err
	}
	b := s.browser(r)
	next, err := s.cfg.Browsing.Resume(r.Context(), id, b)
	return b, next, err
}

func (s *Server) renderLogin(
	w http.ResponseWriter, r *http.Request, status int, b grants.Browser, next grants.Next, username string, problem pages.Problem,
) error {
	view := pages.SignIn{
		Action: s.path + loginPath, Request: next.ID, UILocales: next.Request.UILocales, FormToken: formToken(b.ID, loginPath, next.ID),
		Client: shownName(next.Client), Username: username, Problem: problem,
	}
	if s.cfg.Registering != nil && problem != pages.SignInAgain {
		view.RegisterURI = s.stepURL(registerPath, next.ID)
	}
	return s.pages.Render(w, r, status, view)
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
	return s.signedIn(w, r, next, session, err, func(status int, problem pages.Problem) error {
		return s.renderLogin(w, r, status, b, next, username, problem)
	})
}

// signedIn goes on after a sign-in, or shows its form again for what a person can do
// something about.
func (s *Server) signedIn(
	w http.ResponseWriter, r *http.Request, next grants.Next, session string, err error, again func(status int, problem pages.Problem) error,
) error {
	if session != "" {
		s.setSession(w, s.browser(r), session)
	}
	refusal, isRefusal := errors.AsType[*oauth.Error](err)
	switch {
	case err == nil:
		return s.proceed(w, r, next)
	case !isRefusal || next.Step != grants.StepSignIn:
		return err
	}
	s.failed(eventOf(r.Context()), err)
	return again(pageStatus(w, refusal), pages.Problem(refusal.Code))
}

// errStale is for a form without the token of the page that it claims to come from.
var errStale = &oauth.Error{
	Code: oauth.Expired, Status: http.StatusForbidden, Description: "this page is too old: go back to the application and begin again",
	Rule: "wrong form token",
}

func (s *Server) showMissing(w http.ResponseWriter, r *http.Request, id, username string) error {
	b, next, err := s.signInStep(w, r, id)
	if err != nil {
		return err
	}
	if next.Step != grants.StepSignIn {
		return s.proceed(w, r, next)
	}
	return s.renderLogin(w, r, http.StatusBadRequest, b, next, username, pages.Missing)
}
