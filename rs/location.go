package rs

import (
	"net/http"
	"net/url"
)

// Location is a place in a request where a token may be. The zero value is [Header]. Its kind is "header", "cookie", "query",
// "form" or "json".
type Location struct {
	source, name string
	// find returns "" without an error where there is nothing, and ErrMalformed for what is there but is no token.
	find func(*http.Request) (string, error)
	// check is asked of the request after its token was verified; nil asks nothing.
	check func(*http.Request, *Token) error
}

// The kinds of places.
const (
	sourceHeader = "header"
	sourceCookie = "cookie"
	sourceQuery  = "query"
	sourceForm   = "form"
	sourceJSON   = "json"
)

const (
	authorization = "Authorization"
	bearer        = "Bearer"
	tokenParam    = "access_token" // RFC 6750 §2.2, §2.3
)

// Header is the Authorization header with the scheme Bearer (RFC 6750 §2.1). It is where tokens are looked for unless
// another place is chosen, and the only place that caches and logs know to keep from.
func Header() Location { return HeaderNamed(authorization, bearer) }

// HeaderNamed is a header with another name or scheme, perhaps because a gateway uses Authorization for itself. An empty
// scheme means that the header holds the token and nothing else.
func HeaderNamed(name, scheme string) Location {
	return Location{source: sourceHeader, name: http.CanonicalHeaderKey(name), find: func(r *http.Request) (string, error) {
		return headerToken(r, name, scheme)
	}}
}

// Query is a parameter of the URL (RFC 6750 §2.3), for what can send no header: a download link, an EventSource, a
// WebSocket. ⚠ Such a token is in the logs of every server and proxy on the way, in the browser's history, and in what the
// person copies; RFC 9700 §4.3.2 says not to do it. Give such routes tokens of their own that live for a minute and
// have a scope for nothing else. Answers get Cache-Control: private, no-store; the handler must not weaken it.
func Query(name string) Location {
	return Location{source: sourceQuery, name: name, find: func(r *http.Request) (string, error) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil { // it may hide the token: RFC 6750 §2 wants to see all of them
			return "", malformed("query cannot be read")
		}
		return single(values[name], sourceQuery)
	}}
}

// single takes one value that is not empty.
func single(values []string, source string) (string, error) {
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", malformed("token more than once in the %s", source)
	case values[0] == "":
		return "", malformed("token in the %s is empty", source)
	}
	return values[0], nil
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
