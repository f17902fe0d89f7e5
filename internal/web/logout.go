package web

import (
	"net/http"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

const (
	endSessionPath = "/oauth2/logout"
	signOutPath    = "/logout"
)

// endSession serves GET /oauth2/logout (OIDC RP-Initiated Logout §2).
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	return s.signOut(w, r, r.URL.RawQuery, false)
}

// endSessionByForm makes a GET of the POST: see [Server.authorizeByForm].
func (s *Server) endSessionByForm(w http.ResponseWriter, r *http.Request, body []byte) error {
	return s.getByForm(w, r, endSessionPath, body)
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request, query string, confirmed bool) error {
	b := s.browser(r)
	out, err := s.cfg.Browsing.SignOut(r.Context(), query, b, confirmed)
	if err != nil {
		return err
	}
	if out.Ask {
		return s.pages.Render(w, r, http.StatusOK, pages.SignOut{
			Action: s.path + signOutPath, Request: query, FormToken: formToken(b.Session, signOutPath, query),
			UILocales: out.Request.UILocales, Client: nameOf(out.Client), Username: out.Username,
		})
	}
	s.cookies.set(w, sessionCookie, "")
	return s.showSignedOut(w, r, out)
}

func (s *Server) showSignedOut(w http.ResponseWriter, r *http.Request, out grants.SigningOut) error {
	if out.Return {
		redirect(w, out.Request.Location())
		return nil
	}
	view := pages.SignedOut{UILocales: out.Request.UILocales}
	if out.Link {
		view.Client, view.HomeURI = nameOf(out.Client), out.Request.Location()
	}
	return s.pages.Render(w, r, http.StatusOK, view)
}

// confirmSignOut serves POST /logout, the form of our own page. The request goes with the
// form, under its token, and is looked at again.
func (s *Server) confirmSignOut(w http.ResponseWriter, r *http.Request, form oauth.Form) error {
	query := form.Get(pages.FieldRequest)
	if !isFormToken(form.Get(pages.FieldToken), s.browser(r).Session, signOutPath, query) {
		// Somebody else signed in since, in another tab: the page has to say who.
		return s.signOut(w, r, query, false)
	}
	switch form.Get(pages.FieldDecision) {
	case pages.Allow:
		return s.signOut(w, r, query, true)
	case pages.Deny:
		return s.pages.Render(w, r, http.StatusOK, pages.SignedOut{Stayed: true})
	}
	return oauth.Errorf(oauth.InvalidRequest, "decision must be allow or deny")
}

func nameOf(c *oauth.Client) string {
	if c == nil {
		return ""
	}
	return shownName(c)
}
