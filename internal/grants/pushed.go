package grants

import (
	"context"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// Pushed is a successful answer to a pushed authorization request (RFC 9126 §2.2).
type Pushed struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// Push keeps an authorization request that a client sends by itself, and which its person's
// browser then names (RFC 9126 §2). It refuses what [Service.Authorize] would refuse, whoever
// signs in.
func (s *Service) Push(ctx context.Context, caller tokens.Caller, form oauth.Form, from oauth.Device) (Pushed, error) {
	r, refusal := oauth.ParsePushed(caller.ClientID(), form)
	if refusal != nil {
		return Pushed{}, refusal
	}
	f := &flow{request: r, browser: Browser{From: from}}
	var err error
	if f.client, f.now, err = s.client(ctx, caller); err != nil {
		return Pushed{}, err
	}
	if err := f.checkRedirectURI(); err != nil {
		return Pushed{}, err
	}
	if err := s.checkRequest(f); err != nil {
		return Pushed{}, err
	}
	if err := s.readSubjectHint(ctx, f); err != nil {
		return Pushed{}, err
	}
	err = s.insertParked(ctx, f, nil)
	return Pushed{RequestURI: oauth.PushedURI(f.id.Text), ExpiresIn: int64(db.PushedLife / time.Second)}, err
}

// takeUp begins a pushed request in the browser that comes with it. From then on it is a
// parked one.
func (s *Service) takeUp(ctx context.Context, f *flow) (Next, error) {
	f.id = oauth.SecretOf(f.request.Pushed)
	p, err := s.cfg.DB.TakeUp(ctx, db.NewParked{
		SHA256: f.id.SHA256, BrowserSHA256: f.browserHash(), Address: f.browser.From.Address,
	}, f.request.ClientID)
	if isNotFound(err) {
		err = oauth.Over.Because("no such pushed request of this client, or it is in another browser")
	}
	if err := overQuota(err); err != nil {
		return Next{}, err
	}
	if err := s.goOn(ctx, f, p); err != nil {
		return Next{}, err
	}
	return s.proceed(ctx, f)
}
