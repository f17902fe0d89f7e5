package rs

import "net/http"

// credential is the one token of a request, not verified yet.
type credential struct {
	Location
	token string
}

var headerOnly = []Location{Header()}

// locate returns the one token among locs, or in [Header] if there are none. No token is ErrMissing; more than one is
// ErrMalformed, be they the same or not (RFC 6750 §2), and so is one that cannot be read.
func locate(r *http.Request, locs []Location) (credential, error) {
	if len(locs) == 0 {
		locs = headerOnly
	}
	var found credential
	for _, l := range locs {
		if l.find == nil {
			l = headerOnly[0]
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
	if found.token == "" {
		return credential{}, refuse(ErrMissing, nil)
	}
	return found, found.alone(r)
}

// alone looks at the three places of RFC 6750 §2 even if they were not chosen: a client that sends two tokens is told so,
// and is not left to wonder which one counted.
func (c credential) alone(r *http.Request) error {
	if c.source != sourceHeader {
		if token, err := headerToken(r, authorization, bearer); token != "" || err != nil {
			return errTwoPlaces()
		}
	}
	if !c.isAt(sourceQuery) && r.URL.Query().Has(tokenParam) || !c.isAt(sourceForm) && formHas(r, tokenParam) {
		return errTwoPlaces()
	}
	return nil
}

func (c credential) isAt(source string) bool { return c.source == source && c.name == tokenParam }

func errTwoPlaces() error { return malformed("token in more than one place") }

// checkRequest is asked after t was verified: cookies come with requests from anybody's pages, too.
func (c credential) checkRequest(r *http.Request, t *Token) error {
	if c.check == nil {
		return nil
	}
	return c.check(r, t)
}

// protectAnswer tells caches that the answer is for one person only, before the handler writes it. With Authorization
// they know (RFC 9111 §3.5).
func (c credential) protectAnswer(h http.Header) {
	switch {
	case c.source == sourceQuery:
		h.Set("Cache-Control", "private, no-store") // RFC 6750 §2.3
	case c.source != sourceHeader || c.name != authorization:
		h.Set("Cache-Control", "private")
	}
}
