package clients

import (
	"errors"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// assertionType is the only one there is for clients (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	// assertionLife is for how long an assertion is good after its iat, or else how far
	// ahead its exp may lie.
	assertionLife = 5 * time.Minute
	// maxExp is how far ahead exp may lie in any case; RFC 7523 §3 lets an unreasonable one
	// be refused. An hour is what libraries put there who do not ask.
	maxExp = time.Hour
	// assertionSkew is how far a client's clock may be off.
	assertionSkew = time.Minute
)

// assertion is a JWT by which a client says who it is (RFC 7523 §3); nothing of it is
// verified yet.
type assertion struct {
	oauth.Compact
	claims map[string]any
}

func hasAssertion(form oauth.Form) bool {
	return form.Get("client_assertion") != "" || form.Get("client_assertion_type") != ""
}

// parseAssertion takes the identifier from sub: client_id may be left out (RFC 7521 §4.2).
func parseAssertion(form oauth.Form) (Credentials, error) {
	switch {
	case form.Get("client_secret") != "":
		return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "client authenticates in more than one way")
	case form.Get("client_assertion_type") != assertionType:
		return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "client_assertion_type must be %s", assertionType)
	case form.Get("client_assertion") == "":
		return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "client_assertion is missing")
	}
	a, id, err := readAssertion(form.Get("client_assertion"))
	if err != nil {
		return Credentials{}, refuse("assertion: " + err.Error())
	}
	if claimed := form.Get("client_id"); claimed != "" && claimed != id {
		return Credentials{}, refuse("assertion: sub is not client_id")
	}
	return Credentials{id: id, method: oauth.PrivateKeyJWT, assertion: a}, nil
}

// readAssertion returns who the assertion speaks of. Its errors hold nothing of raw.
func readAssertion(raw string) (*assertion, string, error) {
	c, err := oauth.ParseAssertion(raw, assertionAlgs...)
	if err != nil {
		return nil, "", err
	}
	// A token of another kind is no assertion (RFC 8725 §3.11).
	if c.Typ != "" && !oauth.TypIs(c.Typ, "JWT") && !oauth.TypIs(c.Typ, "client-authentication+jwt") {
		return nil, "", errors.New("typ is of something else")
	}
	claims, err := c.Claims()
	if err != nil {
		return nil, "", err
	}
	sub, _ := claims["sub"].(string)
	switch {
	case sub == "" || len(sub) > maxClientID || !oauth.IsText(sub):
		return nil, "", errors.New("sub is missing or unusable")
	case claims["iss"] != sub:
		return nil, "", errors.New("iss is not sub")
	}
	return &assertion{c, claims}, sub, nil
}

// window is when an assertion is good. It needs no clock to be known.
type window struct {
	from, until time.Time
	early       string // the rule that decided from
}

func (w *window) notBefore(t time.Time, rule string) {
	if t.After(w.from) {
		w.from, w.early = t, rule
	}
}

func (w *window) check(now time.Time) error {
	switch {
	case now.Before(w.from):
		return errors.New(w.early)
	case !now.Before(w.until):
		return errors.New("it has expired, or iat lies too far back")
	}
	return nil
}

// jti is not "" where window has found nothing wrong.
func (a *assertion) jti() string {
	jti, _ := a.claims["jti"].(string)
	return jti
}

// window looks at the rest of the claims. The error is the rule that failed.
func (a *assertion) window(audiences []string) (w window, err error) {
	switch {
	case !isFor(a.claims["aud"], audiences):
		return w, errors.New("aud is not this server alone")
	case a.jti() == "":
		return w, errors.New("jti is missing")
	}
	exp, err := a.date("exp")
	if err != nil || exp.IsZero() {
		return w, errors.New("exp is missing or no date")
	}
	nbf, err := a.date("nbf")
	if err != nil {
		return w, errors.New("nbf is no date")
	}
	iat, err := a.date("iat")
	if err != nil {
		return w, errors.New("iat is no date")
	}
	return newWindow(nbf, iat, exp), nil
}

// newWindow: nbf and iat may be zero.
func newWindow(nbf, iat, exp time.Time) window {
	most, until := maxExp, exp
	if iat.IsZero() {
		most = assertionLife
	} else if end := iat.Add(assertionLife); end.Before(exp) {
		until = end
	}
	w := window{until: until.Add(assertionSkew)}
	w.notBefore(nbf.Add(-assertionSkew), "nbf lies ahead")
	w.notBefore(iat.Add(-assertionSkew), "iat lies ahead")
	w.notBefore(exp.Add(-most-assertionSkew), "exp lies too far ahead")
	return w
}

// date is the zero time for a claim that is absent.
func (a *assertion) date(claim string) (time.Time, error) {
	value, ok := a.claims[claim]
	if !ok {
		return time.Time{}, nil
	}
	return oauth.NumericDate(value)
}

// isFor reports whether aud is one of audiences and nothing beside it: an assertion that
// is meant for others too could be used by them here.
func isFor(aud any, audiences []string) bool {
	if list, ok := aud.([]any); ok && len(list) == 1 {
		aud = list[0]
	}
	s, ok := aud.(string)
	return ok && slices.Contains(audiences, s)
}
