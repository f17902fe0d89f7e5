package grants

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// ask is what a request asks for beyond its grant.
type ask struct {
	scopes    oauth.Scopes
	hasScope  bool
	resource  string
	expiresIn time.Duration // 0: not asked for
}

// minAccessTTL is the shortest lifetime that may be asked for.
const minAccessTTL = time.Minute

// parseAsk reads scope, resource and expires_in. A second resource was refused with the
// form, as every repeated parameter.
func parseAsk(form oauth.Form) (ask, error) {
	scopes, err := oauth.ParseScopes(form.Get("scope"))
	if err != nil {
		return ask{}, err
	}
	a := ask{scopes: scopes, hasScope: len(scopes) > 0, resource: form.Get("resource")}
	if raw := form.Get("expires_in"); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 32)
		if err != nil || n < int64(minAccessTTL/time.Second) {
			return ask{}, oauth.Errorf(oauth.InvalidRequest, "expires_in must be whole seconds, 60 or more")
		}
		a.expiresIn = time.Duration(n) * time.Second
	}
	return a, nil
}

// allowed is what the gate lets through.
type allowed struct {
	scopes   oauth.Scopes
	audience string
	ttl      time.Duration
}

// gate is the one place where it is decided what a token may say, for every grant: a
// check that stood in each grant would be forgotten in the next. granted are the scopes
// of the grant, resource its audience ("": any of the client's).
//
// That the client is authenticated and enabled, and the subject neither ended nor
// disabled, is the condition of the statements that come before it.
func (s *Service) gate(c *oauth.Client, a ask, granted oauth.Scopes, resource string) (allowed, error) {
	// A scope that was taken from the client since is narrowed away (RFC 6749 §6 bounds
	// a refresh by the grant).
	within := granted.Intersect(c.Scopes)
	scopes := within
	if a.hasScope {
		if !a.scopes.Within(within) {
			return allowed{}, oauth.Errorf(oauth.InvalidScope, "scope exceeds what this client was granted")
		}
		scopes = a.scopes
	}
	audience, err := s.audience(c, a.resource, resource)
	if err != nil {
		return allowed{}, err
	}
	ttl, err := s.lifetime(c, a.expiresIn)
	return allowed{scopes, audience, ttl}, err
}

// audience is always one (RFC 8707 §2).
func (s *Service) audience(c *oauth.Client, asked, granted string) (string, error) {
	choice := asked
	if choice == "" {
		choice = granted
	}
	switch {
	case granted != "" && asked != "" && asked != granted:
		return "", oauth.Errorf(oauth.InvalidTarget, "resource exceeds what was granted")
	case choice != "" && slices.Contains(c.Audiences, choice):
		return choice, nil
	case choice == "" && len(c.Audiences) > 0:
		return c.Audiences[0], nil
	case len(c.Audiences) == 0 && (choice == "" || choice == s.cfg.Issuer):
		return s.cfg.Issuer, nil
	default:
		return "", oauth.Errorf(oauth.InvalidTarget, "resource is not one of the client's audiences")
	}
}

func (s *Service) lifetime(c *oauth.Client, asked time.Duration) (time.Duration, error) {
	bound := s.cfg.AccessTTL
	if c.AccessTTL != 0 {
		bound = c.AccessTTL
	}
	if asked > bound {
		return 0, oauth.Errorf(oauth.InvalidRequest, "expires_in exceeds the client's bound of %d seconds", bound/time.Second)
	}
	if asked != 0 {
		return asked, nil
	}
	return bound, nil
}

func isNotFound(err error) bool { return errors.Is(err, db.ErrNotFound) }
