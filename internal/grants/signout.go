package grants

import (
	"context"
	"errors"
	"slices"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// SigningOut is where a logout request stands.
type SigningOut struct {
	Request oauth.LogoutRequest
	Client  *oauth.Client // nil: nobody knows who asks
	// Ask: nothing has ended, and the person has to say whether it is meant.
	Ask      bool
	Username string // to ask
	// Return: the browser may go on to Request.Location by itself. Link: only if the person
	// wants it.
	Return, Link bool
}

// SignOut serves a logout request (OIDC RP-Initiated Logout §2). It ends the browser's session
// at once for a client that shows an ID token of the person who is signed in, and that asks for
// nothing it is not registered for; otherwise only when the person has confirmed it: whoever
// can send a browser here must not be able to sign people out (W-10).
func (s *Service) SignOut(ctx context.Context, query string, b Browser, confirmed bool) (SigningOut, error) {
	r, err := oauth.ParseLogout(query)
	if err != nil {
		return SigningOut{}, err
	}
	o := signOut{SigningOut: SigningOut{Request: r}}
	if err := s.readHint(ctx, &o); err != nil {
		return SigningOut{}, err
	}
	if err := s.readSession(ctx, &o, b); err != nil {
		return SigningOut{}, err
	}
	if o.Ask = o.session != nil && !o.isPlain() && !confirmed; o.Ask {
		o.Username = o.session.Username
		return o.SigningOut, nil
	}
	if err := s.cfg.Tokens.SignOut(ctx, o.session, o.family()); err != nil {
		return SigningOut{}, err
	}
	s.cfg.OnSessionEnd()
	o.Return = o.isRegistered() && (o.session != nil || o.isProven())
	o.Link = o.isRegistered() && !o.Return
	return o.SigningOut, nil
}

// signOut is a logout request with all that is known of it.
type signOut struct {
	SigningOut
	hint    *tokens.Hint   // nil: no ID token of ours
	session *oauth.Session // nil: nobody is signed in
}

// readHint also finds the client. That an ID token is another client's is no mistake that a
// person could mend (OIDC RP-Initiated Logout §2).
func (s *Service) readHint(ctx context.Context, o *signOut) error {
	id := o.Request.ClientID
	if o.Request.IDTokenHint != "" {
		hint, err := s.cfg.Tokens.Hint(ctx, o.Request.IDTokenHint)
		switch {
		case errors.Is(err, tokens.ErrNoHint):
		case err != nil:
			return err
		case id != "" && id != hint.ClientID:
			return oauth.Errorf(oauth.InvalidRequest, "id_token_hint was issued to another application than client_id")
		default:
			o.hint, id = &hint, hint.ClientID
		}
	}
	if id == "" {
		return nil
	}
	c, _, err := s.cfg.DB.Client(ctx, id)
	switch {
	case isNotFound(err), err == nil && c.DisabledAt != nil:
		return nil
	case err != nil:
		return err
	}
	o.Client = &c
	return nil
}

func (s *Service) readSession(ctx context.Context, o *signOut, b Browser) error {
	if b.Session == "" {
		return nil
	}
	session, err := s.cfg.DB.UseSession(ctx, oauth.SecretOf(b.Session).SHA256)
	if isNotFound(err) {
		return nil
	}
	o.session = &session
	return err
}

// isProven: a client was told by us of the person who is signed in, if anybody is.
func (o *signOut) isProven() bool {
	return o.hint != nil && o.Client != nil && (o.session == nil || o.session.Subject == o.hint.Subject)
}

func (o *signOut) isRegistered() bool {
	return o.Client != nil && slices.Contains(o.Client.PostLogoutRedirectURIs, o.Request.RedirectURI)
}

// isPlain: there is nothing to ask the person about.
func (o *signOut) isPlain() bool {
	return o.isProven() && (o.Request.RedirectURI == "" || o.isRegistered())
}

func (o *signOut) family() string {
	if !o.isProven() {
		return ""
	}
	return o.hint.FamilyID
}
