package grants

import (
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	maxShownName = 255 // bytes
	// quotaRetry: parked requests end after minutes.
	quotaRetry = time.Minute
	// constantChallenge codes with one challenge may be a person who reloads. More are of a
	// client whose challenge is no secret of the sign-in's any more (RFC 9700 §2.1.1).
	constantChallenge = 3
)

// flow is an authorization request with all that is known of it.
type flow struct {
	request oauth.AuthorizationRequest
	id      oauth.Secret // of the parked request; zero before it is parked
	begun   time.Time    // when it was parked; zero before
	browser Browser

	client *oauth.Client
	now    time.Time
	scopes oauth.Scopes // that the gate lets through

	session *oauth.Session // nil: nobody is signed in
	proved  bool           // by this very call
	allowed oauth.Scopes   // by the person to this client, earlier
	asked   bool           // the person has allowed it something, if only nothing in particular
}

func (f *flow) browserHash() []byte { return oauth.SecretOf(f.browser.ID).SHA256 }

func (f *flow) next(step Step) Next {
	n := Next{Step: step, ID: f.id.Text, Request: f.request, Client: f.client, Session: f.session, Scopes: f.scopes}
	for _, scope := range f.scopes {
		if !f.allowed.Has(scope) {
			n.New = append(n.New, scope)
		}
	}
	return n
}

func (f *flow) checkRedirectURI() error {
	if oauth.MatchRedirectURI(f.client.RedirectURIs, f.request.RedirectURI) {
		return nil
	}
	return oauth.Errorf(oauth.InvalidRequest, "redirect_uri is not registered for this application")
}

// checkRegistration is what the client alone decides.
func (f *flow) checkRegistration() error {
	if err := checkCodeGrant(f.client); err != nil {
		return err
	}
	if f.request.Challenge == "" && f.needsChallenge() {
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is missing: this application has to use PKCE")
	}
	return nil
}

// needsChallenge is RFC 9700 §2.1.1: what else keeps a stolen code from being used in
// another session is a nonce that the client checks, or the client's own word.
func (f *flow) needsChallenge() bool {
	switch {
	case f.client.IsPublic():
		return true
	case f.client.PKCEOptional:
		return false
	}
	return !f.request.Scopes.Has(oauth.ScopeOpenID) || f.request.Nonce == ""
}

func (f *flow) step() Step {
	switch {
	case f.session == nil || f.isSomebodyElse() || f.mustSignIn():
		return StepSignIn
	case f.mustConsent():
		return StepConsent
	}
	return StepAnswer
}

// isAnswered: the person signed in because this request asked for it, or since. A host may
// have authenticated them earlier.
func (f *flow) isAnswered() bool {
	return !f.begun.IsZero() && !f.session.CreatedAt.Before(f.begun)
}

// mustSignIn asks somebody who is signed in once more (OIDC Core §3.1.2.1). An
// authentication since the request began is what was asked for.
func (f *flow) mustSignIn() bool {
	age := f.request.MaxAge
	switch {
	case !f.begun.IsZero() && !f.session.AuthTime.Before(f.begun):
		return false
	case f.request.Has(oauth.PromptLogin):
		return true
	case f.request.Has(oauth.PromptSelectAccount) && !f.isAnswered():
		return true
	}
	return age != nil && f.now.Sub(f.session.AuthTime) >= time.Duration(*age)*time.Second
}

func (f *flow) mustConsent() bool {
	if f.request.Has(oauth.PromptConsent) || f.anyoneCanBe() {
		return true
	}
	return f.needsConsent() && (!f.asked || !f.scopes.Within(f.allowed))
}

// needsConsent: now, or at some time before.
func (f *flow) needsConsent() bool { return !f.client.FirstParty || f.isOffline() }

// anyoneCanBe: any program on the person's machine can listen on a loopback port or claim a
// scheme, and then pass for this client: it never gets a code without being seen (RFC 8252
// §8.6).
func (f *flow) anyoneCanBe() bool {
	return f.client.IsPublic() && !strings.HasPrefix(f.request.RedirectURI, "https://")
}
