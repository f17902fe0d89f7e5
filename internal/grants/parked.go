package grants

import (
	"context"
	"errors"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// parked reads a request and looks at its client again: it may have been disabled, or the
// redirect URI taken away, since.
func (s *Service) parked(ctx context.Context, id string, b Browser) (*flow, error) {
	f := &flow{id: oauth.SecretOf(id), browser: b}
	p, err := s.cfg.DB.Parked(ctx, f.id.SHA256, f.browserHash())
	if isNotFound(err) {
		return nil, errOver.Because("no such parked request of this browser")
	}
	if err != nil {
		return nil, err
	}
	f.request, f.begun = p.AuthorizationRequest, p.CreatedAt
	if err := s.loadClient(ctx, f); err != nil {
		return nil, err
	}
	if f.client.Epoch != p.ClientEpoch {
		return nil, errOver.Because("client ended since")
	}
	return f, nil
}

// loadClient refuses what must never be redirected (RFC 6749 §4.1.2.1).
func (s *Service) loadClient(ctx context.Context, f *flow) error {
	c, now, err := s.cfg.DB.Client(ctx, f.request.ClientID)
	switch {
	case isNotFound(err), err == nil && c.DisabledAt != nil:
		return oauth.Errorf(oauth.InvalidRequest, "client_id is not that of an application known here")
	case err != nil:
		return err
	case !oauth.MatchRedirectURI(c.RedirectURIs, f.request.RedirectURI):
		return oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not registered for this application")
	}
	f.client, f.now = &c, now
	return nil
}

func (s *Service) park(ctx context.Context, f *flow, step Step) (Next, error) {
	var err error
	if f.id, err = oauth.NewSecret(s.cfg.Random); err != nil {
		return Next{}, err
	}
	err = s.cfg.DB.Park(ctx, db.NewParked{
		SHA256: f.id.SHA256, BrowserSHA256: f.browserHash(), ClientEpoch: f.client.Epoch, Address: f.browser.From.Address,
	}, &f.request)
	if errors.Is(err, db.ErrQuota) {
		return Next{}, oauth.TooMany(quotaRetry, "quota of parked requests")
	}
	return f.next(step), err
}

func (s *Service) issueCode(ctx context.Context, f *flow, consented bool) (Next, error) {
	code, err := oauth.NewSecret(s.cfg.Random)
	if err != nil {
		return Next{}, err
	}
	n := db.NewCode{
		SHA256: code.SHA256, Request: &f.request, Scopes: f.scopes, ClientEpoch: f.client.Epoch, Session: f.session.SHA256, Consented: consented,
	}
	if f.id.Text != "" {
		n.Parked, n.Browser = f.id.SHA256, f.browserHash()
	}
	err = s.cfg.DB.InsertCode(ctx, n)
	if isNotFound(err) {
		return Next{}, errOver.Because("answered twice, or session or client ended meanwhile")
	}
	if err == nil && consented {
		s.tell(ctx, ConsentGiven{Subject: f.session.Subject, ClientID: f.client.ID, Scopes: f.scopes})
	}
	return Next{Step: StepAnswer, Answer: f.request.Grant(s.cfg.Issuer, code.Text), Request: f.request}, err
}
