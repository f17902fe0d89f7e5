package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
)

// SignInRequest is what a host's own sign-in is told.
type SignInRequest struct {
	// Continue is for [Server.CompleteSignIn].
	Continue string
	// Client is how pages call the application; "" for the person's account.
	Client    string
	LoginHint string
	UILocales string
	// Again: whoever is there must prove who they are now, even if the host knows.
	Again bool
}

// askHost leaves the sign-in to the host. The page is the host's, and so is its policy.
func (s *Server) askHost(w http.ResponseWriter, r *http.Request, b grants.Browser, next grants.Next) {
	w.Header().Del("Content-Security-Policy")
	w.Header().Set("Referrer-Policy", "no-referrer")
	s.cfg.HostSignIn(w, r, SignInRequest{
		Continue: newContinuation(b, next.ID), Client: shownName(next.Client),
		LoginHint: next.Request.LoginHint, UILocales: next.Request.UILocales, Again: mustProve(next),
	})
}

// mustProve: the request does not take an earlier sign-in, which the host's own may be. To
// the account, where others can be locked out, none is good enough.
func mustProve(next grants.Next) bool {
	r := &next.Request
	return next.ID == "" || next.Session != nil || r.MaxAge != nil || r.Has(oauth.PromptLogin) || r.Has(oauth.PromptSelectAccount)
}

// A continuation names a parked request, or none, and is good in one browser while the same
// person or nobody is signed in there: it has one use, since each sign-in makes a new session.
func newContinuation(b grants.Browser, id string) string {
	return id + "." + formToken(b.ID, "continue "+b.Session, id)
}

func parseContinuation(b grants.Browser, continuation string) (id string, ok bool) {
	id, token, _ := strings.Cut(continuation, ".")
	return id, isFormToken(token, b.ID, "continue "+b.Session, id)
}

// CompleteSignIn answers r: it signs in whom prove vouches for, and sends the browser on. A
// refusal is a page.
func (s *Server) CompleteSignIn(w http.ResponseWriter, r *http.Request, continuation string, prove func(context.Context) (oauth.Authentication, error)) {
	h := handler(notFound)
	if s.cfg.HostSignIn != nil {
		h = s.page(s.bounded(func(w http.ResponseWriter, r *http.Request) error {
			return s.completeSignIn(w, r, continuation, prove)
		}))
	}
	s.observe(s.named(s.path+loginPath, h)).ServeHTTP(w, r)
}

func (s *Server) completeSignIn(w http.ResponseWriter, r *http.Request, continuation string, prove func(context.Context) (oauth.Authentication, error)) error {
	b := s.browser(r)
	id, ok := parseContinuation(b, continuation)
	switch {
	case ok:
	case b.ID == "" || id != "" && !oauth.IsSecret(id):
		return errStale
	default: // somebody signed in meanwhile, in another tab: begin the step again
		redirect(w, s.stepURL(loginPath, id))
		return nil
	}
	who, err := prove(r.Context())
	if err != nil {
		return err
	}
	next, session, err := s.cfg.Vouching.VouchedBrowser(r.Context(), id, b, who)
	if session != "" {
		s.cookies.set(w, sessionCookie, session)
	}
	if err != nil {
		return err
	}
	return s.proceed(w, r, next)
}
