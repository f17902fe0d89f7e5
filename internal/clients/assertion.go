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

// jti is not "" where check has found nothing wrong.
func (a *assertion) jti() string {
	jti, _ := a.claims["jti"].(string)
	return jti
}

// check looks at the rest of the claims and returns until when the jti has to be
// remembered. The error is the rule that failed.
func (a *assertion) check(audiences []string, now time.Time) (until time.Time, err error) {
	switch {
	case !isFor(a.claims["aud"], audiences):
		return until, errors.New("aud is not this server alone")
	case a.jti() == "":
		return until, errors.New("jti is missing")
	}
	if nbf, err := a.date("nbf"); err != nil || nbf.After(now.Add(assertionSkew)) {
		return until, errors.New("nbf is no date, or lies ahead")
	}
	iat, err := a.date("iat")
	if err != nil || iat.After(now.Add(assertionSkew)) {
		return until, errors.New("iat is no date, or lies ahead")
	}
	exp, err := a.date("exp")
	if err != nil || exp.IsZero() {
		return until, errors.New("exp is missing or no date")
	}
	return lastMoment(iat, exp, now)
}

// lastMoment judges exp, together with iat where there is one.
func lastMoment(iat, exp, now time.Time) (time.Time, error) {
	most := maxExp
	if iat.IsZero() {
		most = assertionLife
	}
	if exp.After(now.Add(most + assertionSkew)) {
		return exp, errors.New("exp lies too far ahead")
	}
	if end := iat.Add(assertionLife); !iat.IsZero() && end.Before(exp) {
		exp = end
	}
	until := exp.Add(assertionSkew)
	if !now.Before(until) {
		return until, errors.New("it has expired, or iat lies too far back")
	}
	return until, nil
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
