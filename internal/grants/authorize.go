package grants

import (
	"context"
	"errors"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/oauth"
)

// Browser is what a browser sends along with each of its requests.
type Browser struct {
	ID      string // the cookie to which parked requests are bound
	Session string // the cookie of who is signed in; "" for nobody
	From    oauth.Device
}

// Step is what a browser is shown next.
type Step int

// A person signs in, consents if that is needed, and takes the answer to the client. Where
// a request stands is computed from the request, the session and the consents each time: no
// step can be skipped by asking for a later one.
const (
	StepSignIn Step = iota + 1
	StepConsent
	StepAnswer
	// StepAccount is for a sign-in of no request: the person's own account comes next.
	StepAccount
)

// Next is where a request stands.
type Next struct {
	Step    Step
	Request oauth.AuthorizationRequest
	// Answer is set for [StepAnswer], and the rest for the others.
	Answer  *oauth.AuthorizationAnswer
	ID      string // of the parked request, for the browser to name it
	Client  *oauth.Client
	Session *oauth.Session // nil before the sign-in
	// Scopes are what the client would get, New those that the person has not allowed it yet.
	Scopes, New oauth.Scopes
}

// Authorize serves an authorization request (RFC 6749 §4.1.1). A refusal is an error where
// it is not certain that the client is to be told of it, and an answer otherwise.
func (s *Service) Authorize(ctx context.Context, query string, b Browser) (Next, error) {
	r, refusal, fatal := oauth.ParseAuthorization(query)
	if fatal != nil {
		return Next{}, fatal
	}
	f := &flow{request: r, browser: b}
	if r.Pushed != "" {
		return s.takeUp(ctx, f)
	}
	if err := s.loadClient(ctx, f); err != nil {
		return Next{}, err
	}
	if refusal == nil && f.client.RequirePushedRequests { // RFC 9126 §6
		refusal = oauth.Errorf(oauth.InvalidRequest, "this application has to push its requests (RFC 9126)")
	}
	if refusal != nil {
		return s.refused(f, refusal), nil
	}
	if err := s.readSubjectHint(ctx, f); err != nil {
		return s.refusedBy(f, err)
	}
	return s.proceed(ctx, f)
}

// Resume says where a parked request stands, and answers it if nobody has to be asked any
// more. It returns a refusal for a request that is unknown, over, or another browser's.
func (s *Service) Resume(ctx context.Context, id string, b Browser) (Next, error) {
	f, err := s.parked(ctx, id, b)
	if err != nil {
		return Next{}, err
	}
	return s.proceed(ctx, f)
}

// SignInBrowser signs a person in for a parked request, or with no id for their account. The
// new session has a new identifier, and the one that the browser had before ends. It refuses
// as [Service.Login], and then next is still [StepSignIn].
func (s *Service) SignInBrowser(ctx context.Context, id string, b Browser, username, password string) (next Next, session string, err error) {
	return s.signInBrowser(ctx, id, b, username, func(ctx context.Context) (oauth.Authentication, error) {
		return s.cfg.Authenticator.Authenticate(ctx, username, password)
	})
}

// RegisterBrowser makes a user and signs it in, as [Service.SignInBrowser] does. It refuses
// as [Service.Register].
func (s *Service) RegisterBrowser(ctx context.Context, id string, b Browser, u authn.NewUser) (next Next, session string, err error) {
	return s.signInBrowser(ctx, id, b, u.Username, func(ctx context.Context) (oauth.Authentication, error) {
		return s.cfg.Accounts.Register(ctx, u)
	})
}

// VouchedBrowser signs in whom the host has authenticated, as [Service.SignInBrowser] does.
func (s *Service) VouchedBrowser(ctx context.Context, id string, b Browser, who oauth.Authentication) (next Next, session string, err error) {
	return s.signInBrowser(ctx, id, b, who.Subject, func(context.Context) (oauth.Authentication, error) { return who, nil })
}

func (s *Service) signInBrowser(
	ctx context.Context, id string, b Browser, username string, prove func(context.Context) (oauth.Authentication, error),
) (next Next, session string, err error) {
	f := &flow{browser: b}
	if id != "" {
		if f, err = s.parked(ctx, id, b); err != nil {
			return Next{}, "", err
		}
	}
	who, err := prove(ctx)
	if err != nil {
		return f.next(StepSignIn), "", err
	}
	if session, err = s.startSession(ctx, who, username, b); err != nil {
		return f.next(StepSignIn), "", err
	}
	if id == "" {
		return Next{Step: StepAccount}, session, nil
	}
	f.browser.Session, f.proved = session, true
	next, err = s.proceed(ctx, f)
	return next, session, err
}

// Consent answers a parked request as the person said who is signed in. Before the sign-in
// it changes nothing.
func (s *Service) Consent(ctx context.Context, id string, b Browser, allow bool) (Next, error) {
	f, err := s.parked(ctx, id, b)
	if err != nil {
		return Next{}, err
	}
	step, err := s.judge(ctx, f)
	if err != nil {
		return s.answerRefusal(ctx, f, err)
	}
	if step == StepSignIn {
		return f.next(step), nil
	}
	if allow {
		return s.issueCode(ctx, f, true)
	}
	return s.answerRefusal(ctx, f, oauth.Errorf(oauth.AccessDenied, "the person denied the request"))
}

// proceed goes as far as it can without asking.
func (s *Service) proceed(ctx context.Context, f *flow) (Next, error) {
	step, err := s.judge(ctx, f)
	if err != nil {
		return s.answerRefusal(ctx, f, err)
	}
	switch {
	case step == StepAnswer:
		return s.issueCode(ctx, f, false)
	case f.id.Text != "":
		return f.next(step), nil
	}
	return s.park(ctx, f, step)
}

// judge checks the request against the registration, and finds out where it stands.
func (s *Service) judge(ctx context.Context, f *flow) (Step, error) {
	if err := s.checkRequest(f); err != nil {
		return 0, err
	}
	if err := s.loadSession(ctx, f); err != nil {
		return 0, err
	}
	step, r := f.step(), &f.request
	switch {
	case f.isSomebodyElse() && f.isAnswered():
		return 0, oauth.Errorf(oauth.LoginRequired, "somebody else signed in than id_token_hint names")
	case step == StepSignIn && f.proved && f.session != nil: // the host was told, and would be asked for ever
		return 0, oauth.Errorf(oauth.LoginRequired, "the person was authenticated earlier than this request allows")
	case !r.Has(oauth.PromptNone):
		return step, nil
	case step == StepSignIn: // OIDC Core §3.1.2.6
		return 0, oauth.Errorf(oauth.LoginRequired, "nobody is signed in, or not recently enough")
	case step == StepConsent:
		return 0, oauth.Errorf(oauth.ConsentRequired, "the person has not allowed this yet")
	}
	return step, nil
}

// checkRequest is what nobody has to be signed in for.
func (s *Service) checkRequest(f *flow) error {
	if err := f.checkRegistration(); err != nil {
		return err
	}
	r := &f.request
	ok, err := s.gate(f.client, ask{scopes: r.Scopes, hasScope: len(r.Scopes) > 0, resource: r.Resource}, f.client.Scopes, "")
	f.scopes = f.withoutIdleOffline(ok.scopes)
	return err
}

// loadSession leaves both nil for a browser in which nobody is signed in.
func (s *Service) loadSession(ctx context.Context, f *flow) error {
	if f.browser.Session == "" {
		return nil
	}
	session, err := s.cfg.DB.UseSession(ctx, oauth.SecretOf(f.browser.Session).SHA256)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	f.session = &session
	f.allowed, err = s.cfg.DB.Consent(ctx, session.Subject, f.client.ID, f.client.Epoch)
	f.asked = err == nil
	if isNotFound(err) {
		err = nil
	}
	return err
}

// refused answers the client with an error.
func (s *Service) refused(f *flow, e *oauth.Error) Next {
	return Next{Step: StepAnswer, Answer: f.request.Refuse(s.cfg.Issuer, e), Request: f.request}
}

// answerRefusal is [Service.refusedBy] for a request that may be parked: with its answer it is
// over.
func (s *Service) answerRefusal(ctx context.Context, f *flow, err error) (Next, error) {
	next, err := s.refusedBy(f, err)
	if err != nil || f.id.Text == "" {
		return next, err
	}
	err = s.cfg.DB.DropParked(ctx, f.id.SHA256, f.browserHash())
	if isNotFound(err) {
		err = oauth.Over.Because("answered twice")
	}
	if err != nil {
		return Next{}, err
	}
	return next, nil
}

// refusedBy makes an answer of a refusal; other errors, which are ours, it returns.
func (s *Service) refusedBy(f *flow, err error) (Next, error) {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return s.refused(f, e), nil
	}
	return Next{}, err
}
