package grants

import (
	"context"

	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// authorizationCode is RFC 6749 §4.1.3. The code is consumed and its family committed
// before anything is signed: a code has one use, so an answer that is lost is lost, and a
// retry ends the family.
func (s *Service) authorizationCode(ctx context.Context, caller tokens.Caller, form oauth.Form, ask ask) (Response, error) {
	r := tokens.Redemption{Code: form.Get("code"), RedirectURI: form.Get("redirect_uri"), Verifier: form.Get("code_verifier")}
	if r.Code == "" {
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "code is missing")
	}
	if r.Verifier != "" && !oauth.IsCodeVerifier(r.Verifier) {
		return Response{}, oauth.Errorf(oauth.InvalidRequest, "code_verifier must be 43 to 128 unreserved characters")
	}
	id, err := oauth.NewFamilyID(s.cfg.Random)
	if err != nil {
		return Response{}, err
	}
	var ok allowed
	var nonce string
	out, err := s.cfg.Tokens.Redeem(ctx, caller, r, func(c *oauth.Client, code *oauth.CodeGrant) (in tokens.SignIn, err error) {
		if err := checkCodeGrant(c); err != nil {
			return in, err
		}
		if ok, err = s.gate(c, ask, code.Scopes, code.Resource); err != nil {
			return in, err
		}
		nonce = code.Nonce
		in = tokens.SignIn{FamilyID: id, Scopes: code.Scopes.Intersect(c.Scopes), Resource: code.Resource}
		if !refreshes(c, in.Scopes, true) {
			in.TTL = ok.ttl
		}
		return in, nil
	})
	if err != nil {
		return Response{}, err
	}
	return s.first(ctx, oauth.AuthorizationCode, out.Client, &out.Family, out.Now, ok, nonce)
}

func checkCodeGrant(c *oauth.Client) error {
	if c.HasGrant(oauth.AuthorizationCode) {
		return nil
	}
	return oauth.Errorf(oauth.UnauthorizedClient, "client is not registered for authorization_code")
}
