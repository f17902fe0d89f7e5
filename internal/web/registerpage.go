package web

import (
	"net/http"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// showRegister serves GET /register.
func (s *Server) showRegister(w http.ResponseWriter, r *http.Request) error {
	return s.registerAgain(w, r, r.URL.Query().Get(pages.FieldRequest), http.StatusOK, "", "")
}

// registerAgain shows the form, unless somebody has signed in meanwhile.
func (s *Server) registerAgain(w http.ResponseWriter, r *http.Request, id string, status int, username string, problem pages.Problem) error {
	b, next, err := s.signInStep(w, r, id)
	if err != nil {
		return err
	}
	if next.Step != grants.StepSignIn {
		return s.proceed(w, r, next)
	}
	return s.renderRegister(w, r, status, b, next, username, problem)
}

func (s *Server) renderRegister(
	w http.ResponseWriter, r *http.Request, status int, b grants.Browser, next grants.Next, username string, problem pages.Problem,
) error {
	return s.pages.Render(w, r, status, pages.Register{
		Action: s.path + registerPath, Request: next.ID, UILocales: next.Request.UILocales, FormToken: formToken(b.ID, registerPath, next.ID),
		Client: shownName(next.Client), Username: username, Problem: problem, MinPassword: authn.MinPassword,
		SignInURI: s.stepURL(loginPath, next.ID),
	})
}

// registerByForm serves POST /register.
func (s *Server) registerByForm(w http.ResponseWriter, r *http.Request, form oauth.Form) error {
	b, id := s.browser(r), form.Get(pages.FieldRequest)
	if !isFormToken(form.Get(pages.FieldToken), b.ID, registerPath, id) {
		return errStale
	}
	u := authn.NewUser{Username: form.Get(pages.FieldUsername), Password: form.Get(pages.FieldPassword)}
	if problem := checkTwice(u.Password, form.Get(pages.FieldAgain), u.Username); problem != "" {
		return s.registerAgain(w, r, id, http.StatusBadRequest, u.Username, problem)
	}
	next, session, err := s.cfg.Registering.RegisterBrowser(r.Context(), id, b, u)
	return s.signedIn(w, r, next, session, err, func(status int, problem pages.Problem) error {
		return s.renderRegister(w, r, status, b, next, u.Username, problem)
	})
}

// checkTwice compares a new password with its repetition; no other field may be empty.
func checkTwice(password, again, other string) pages.Problem {
	switch {
	case password == "" || again == "" || other == "":
		return pages.Missing
	case password != again:
		return pages.Mismatch
	}
	return ""
}
