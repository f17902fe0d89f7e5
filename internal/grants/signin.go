package grants

import (
	"context"
	"net/netip"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// Authenticator checks a sign-in. It returns a refusal for every reason that a person
// can cause; other errors are outages.
type Authenticator interface {
	Authenticate(ctx context.Context, username, password string) (oauth.Authentication, error)
}

// BrowserAuthenticator is an [Authenticator] that tells browsers apart, by a secret that each
// has.
type BrowserAuthenticator interface {
	AuthenticateIn(ctx context.Context, browser, username, password string) (oauth.Authentication, error)
}

// Accounts is the built-in user store.
type Accounts interface {
	Register(ctx context.Context, u authn.NewUser) (oauth.Authentication, error)
	ChangePassword(ctx context.Context, browser, username, password, newPassword string) (oauth.Authentication, error)
}

// SignIn is one of the account calls of a first-party client. Of Form, scope, resource
// and expires_in are read. From is kept with the family; zero: nothing is. Address is whom
// the limits count it for, and is not kept; zero: nobody.
type SignIn struct {
	Caller  tokens.Caller
	Form    oauth.Form
	From    oauth.Device
	Address netip.Addr
}

// Login signs a person in with a name and a password.
func (s *Service) Login(ctx context.Context, in SignIn, username, password string) (Response, error) {
	return s.signIn(ctx, in, s.attempt(in.Address, in.Caller.ClientID(), func(ctx context.Context) (oauth.Authentication, error) {
		return s.cfg.Authenticator.Authenticate(ctx, username, password)
	}))
}

// Register makes a user and signs it in.
func (s *Service) Register(ctx context.Context, in SignIn, u authn.NewUser) (Response, error) {
	return s.signIn(ctx, in, s.registration(in.Address, in.Caller.ClientID(), u))
}

// ChangePassword ends all families of the user and begins a new one.
func (s *Service) ChangePassword(ctx context.Context, in SignIn, username, password, newPassword string) (Response, error) {
	return s.signIn(ctx, in, s.attempt(in.Address, in.Caller.ClientID(), func(ctx context.Context) (oauth.Authentication, error) {
		return s.cfg.Accounts.ChangePassword(ctx, "", username, password, newPassword)
	}))
}

// signIn checks the client and what it asks for before a password is looked at: a call
// that is refused for its form must not have changed anything.
func (s *Service) signIn(ctx context.Context, in SignIn, prove proof) (Response, error) {
	ask, err := parseAsk(in.Form)
	if err != nil {
		return Response{}, err
	}
	if err := s.cfg.Keys.Admit(ctx); err != nil {
		return Response{}, err
	}
	client, _, err := s.client(ctx, in.Caller)
	if err != nil {
		return Response{}, err
	}
	if err := client.CheckFirstParty(); err != nil {
		return Response{}, err
	}
	ok, err := s.gate(client, ask, client.Scopes, "")
	if err != nil {
		return Response{}, err
	}
	who, err := prove(ctx)
	if err != nil {
		return Response{}, err
	}
	who.Device = in.From
	return s.begin(ctx, client, who, ok, ask.resource)
}

// begin starts the family and issues its first tokens.
func (s *Service) begin(ctx context.Context, c *oauth.Client, who oauth.Authentication, ok allowed, resource string) (Response, error) {
	f, now, err := s.insertFamily(ctx, s.cfg.Tokens, c, who, ok, resource)
	if err != nil {
		return Response{}, err
	}
	return s.first(ctx, "", c, &f, now, ok, "")
}
