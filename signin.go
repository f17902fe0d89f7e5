package authd

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-authd/authd/internal/oauth"
)

// SignInRequest is what [Config.SignIn] is told: nothing of the protocol.
type SignInRequest struct {
	// Continue is for [Server.CompleteSignIn]: text that a URL or a form can carry. It works
	// once, in the browser that asks now, and as long as the application's request does (15
	// minutes).
	Continue string
	// Client is the name of the application to which the person goes on; "" for their own
	// account.
	Client string
	// LoginHint is who the application believes is there; "" mostly.
	LoginHint string
	// UILocales are the languages that the application asks for (OIDC Core §3.1.2.1).
	UILocales string
	// Again: whoever is there must prove now who they are, even if the host has a session of
	// theirs.
	Again bool
}

// CompleteSignIn answers r, a request to a page of the host's own: it signs who in, in a new
// session, and sends the browser on to where it was going. continuation is that of
// [SignInRequest]. Call it only for a person whom the host has authenticated in this browser,
// and where that was earlier, as with a session of the host's own, say when, by
// [Subject.AuthTime]. Where the application asked for a newer authentication (Again), it is
// told login_required.
//
// A continuation that is over, or another browser's, and a subject that may not sign in (it
// is disabled, or a client's identifier) are answered with a page.
func (s *Server) CompleteSignIn(w http.ResponseWriter, r *http.Request, continuation string, who Subject) {
	s.web.CompleteSignIn(w, r, continuation, func(ctx context.Context) (oauth.Authentication, error) {
		found, err := s.people.admit(ctx, who)
		if errors.Is(err, errDisabled) {
			err = (&oauth.Error{
				Code: oauth.AccessDenied, Status: http.StatusForbidden, Description: "this account may not sign in",
			}).Because("disabled")
		}
		return found, err
	})
}
