package web

import (
	"net/http"
	"net/url"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// showConsent serves GET /consent.
func (s *Server) showConsent(w http.ResponseWriter, r *http.Request) error {
	b := s.browser(r)
	next, err := s.cfg.Browsing.Resume(r.Context(), r.URL.Query().Get(pages.FieldRequest), b)
	if err != nil {
		return err
	}
	if next.Step != grants.StepConsent {
		return s.proceed(w, r, next)
	}
	return s.pages.Render(w, r, http.StatusOK, pages.Consent{
		Action: s.path + consentPath, Request: next.ID, UILocales: next.Request.UILocales,
		FormToken: formToken(b.Session, consentPath, next.ID),
		Client:    shownName(next.Client), Username: next.Session.Username,
		Scopes: next.Scopes, NewScopes: next.New, RedirectHost: redirectHost(next.Request.RedirectURI), CanSwitch: true,
	})
}

// redirectHost is where the browser goes next, as a person can judge it: a host, or the
// scheme of a program on this machine.
func redirectHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme
	}
	return u.Host
}

// consent serves POST /consent. Of the form only the decision counts; what is decided about
// is the parked request.
func (s *Server) consent(w http.ResponseWriter, r *http.Request, form oauth.Form) error {
	b, id := s.browser(r), form.Get(pages.FieldRequest)
	if !isFormToken(form.Get(pages.FieldToken), b.Session, consentPath, id) {
		// Somebody else signed in since, in another tab: the page has to say who.
		redirect(w, s.stepURL(consentPath, id))
		return nil
	}
	switch form.Get(pages.FieldDecision) {
	case pages.Allow, pages.Deny:
		next, err := s.cfg.Browsing.Consent(r.Context(), id, b, form.Get(pages.FieldDecision) == pages.Allow)
		if err != nil {
			return err
		}
		return s.proceed(w, r, next)
	case pages.Switch:
		return s.switchAccount(w, r, id, b)
	}
	return oauth.Errorf(oauth.InvalidRequest, "decision must be allow, deny or switch")
}

// switchAccount ends the session, so that somebody else can sign in.
func (s *Server) switchAccount(w http.ResponseWriter, r *http.Request, id string, b grants.Browser) error {
	if err := s.cfg.Browsing.EndSession(r.Context(), b.Session); err != nil {
		return err
	}
	s.cookies.set(w, sessionCookie, "")
	redirect(w, s.stepURL(loginPath, id))
	return nil
}
