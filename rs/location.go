package rs

import (
	"errors"
	"net/http"
)

// Location is a place in a request where a token is looked for. The zero value is [Header].
type Location struct {
	source string
	name   string
	// find returns "" without an error where there is nothing, and ErrMalformed for what is there but no token.
	find func(*http.Request) (string, error)
	// check is asked after the token was verified; nil asks nothing.
	check func(*http.Request, *Token) error
}

// Header is the Authorization header with the scheme Bearer (RFC 6750 §2.1), where nothing else is chosen.
func Header() Location {
	return Location{source: sourceHeader, name: "Authorization", find: bearerHeader}
}

// From is a requirement on the request: its token must be at one of locs, in place of Config.Locations. Of several Froms
// the last one counts; [Verifier.Verify], which sees no request, asks nothing of it.
func From(locs ...Location) Requirement { return Requirement{from: locs} }

// locations is what the last From of a route says, else what the verifier was told.
func locations(configured []Location, reqs []Requirement) []Location {
	for _, req := range reqs {
		if req.from != nil {
			configured = req.from
		}
	}
	return configured
}

// The names of the places, as a verified token tells them.
const (
	sourceHeader = "header"
)

// credential is the one token of a request.
type credential struct {
	Location
	token string
}

// checkRequest is asked after t was verified: a browser adds some credentials to requests of anybody's pages.
func (c credential) checkRequest(r *http.Request, t *Token) error {
	if c.check == nil {
		return nil
	}
	return c.check(r, t)
}

// locate returns the one token among locs, or among [Header] if there are none. No token is ErrMissing; more than one is
// ErrMalformed, be they the same or not (RFC 6750 §2).
func locate(r *http.Request, locs []Location) (credential, error) {
	if len(locs) == 0 {
		locs = []Location{Header()}
	}
	var found credential
	for _, l := range locs {
		if l.find == nil {
			l = Header()
		}
		token, err := l.find(r)
		switch {
		case err != nil:
			return credential{}, err
		case token != "" && found.token != "":
			return credential{}, errTwoPlaces()
		case token != "":
			found = credential{l, token}
		}
	}
	return found, found.alone(r)
}

// alone also looks where no location was chosen, but where RFC 6750 §2.2 and §2.3 put tokens.
func (c credential) alone(r *http.Request) error {
	if c.token == "" {
		return refuse(ErrMissing, nil)
	}
	if r.URL.Query().Has(tokenParam) || formHas(r, tokenParam) {
		return errTwoPlaces()
	}
	return nil
}

func errTwoPlaces() error { return refuse(ErrMalformed, errors.New("token in more than one place")) }
