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
		err = oauth.Over.Because("no such parked request of this browser")
	}
	if err != nil {
		return nil, err
	}
	return f, s.goOn(ctx, f, p)
}

// goOn completes f by what was parked.
func (s *Service) goOn(ctx context.Context, f *flow, p db.Parked) error {
	f.request, f.begun = p.AuthorizationRequest, p.CreatedAt
	if err := s.loadClient(ctx, f); err != nil {
		return err
	}
	if f.client.Epoch != p.ClientEpoch {
		return oauth.Over.Because("client ended since")
	}
	return nil
}

// loadClient refuses what must never be redirected (RFC 6749 §4.1.2.1).
func (s *Service) loadClient(ctx context.Context, f *flow) error {
	c, now, err := s.cfg.DB.Client(ctx, f.request.ClientID)
	switch {
	case isNotFound(err), err == nil && c.DisabledAt != nil:
		return oauth.Errorf(oauth.InvalidRequest, "client_id is not that of an application known here")
	case err != nil:
		return err
	}
	f.client, f.now = &c, now
	return f.checkRedirectURI()
}

func (s *Service) park(ctx context.Context, f *flow, step Step) (Next, error) {
	if err := s.insertParked(ctx, f, f.browserHash()); err != nil {
		return Next{}, err
	}
	return f.next(step), nil
}

// insertParked gives the request its identifier. browser is nil for a pushed one.
func (s *Service) insertParked(ctx context.Context, f *flow, browser []byte) (err error) {
	if f.id, err = oauth.NewSecret(s.cfg.Random); err != nil {
		return err
	}
	return overQuota(s.cfg.DB.Park(ctx, db.NewParked{
		SHA256: f.id.SHA256, BrowserSHA256: browser, ClientEpoch: f.client.Epoch, Address: f.browser.From.Address,
	}, &f.request))
}

func overQuota(err error) error {
	if errors.Is(err, db.ErrQuota) {
		return oauth.TooMany(quotaRetry, "quota of parked requests")
	}
	return err
}

func (s *Service) issueCode(ctx context.Context, f *flow, consented bool) (Next, error) {
	code, err := oauth.NewSecret(s.cfg.Random)
	if err != nil {
		return Next{}, err
	}
	n := db.NewCode{
		SHA256: code.SHA256, Request: &f.request, Scopes: f.scopes, ClientEpoch: f.client.Epoch, Session: f.session.SHA256,
		Consented: consented, OfConsent: !consented && f.needsConsent(),
	}
	if f.id.Text != "" {
		n.Parked, n.Browser = f.id.SHA256, f.browserHash()
	}
	same, err := s.cfg.DB.InsertCode(ctx, n)
	if same >= constantChallenge {
		s.cfg.OnConstantChallenge(ctx, f.client.ID)
	}
	if isNotFound(err) {
		return Next{}, oauth.Over.Because("answered twice, or session, client or consent ended meanwhile")
	}
	return Next{Step: StepAnswer, Answer: f.request.Grant(s.cfg.Issuer, code.Text), Request: f.request}, err
}
