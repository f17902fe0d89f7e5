package oauth

import (
	"net/url"
	"strings"
)

// CheckJWKSURI returns a refusal with [InvalidRequest] for a URI from which no keys of a
// client would be fetched (RFC 7591 §2). Where its host leads to is seen when it is used.
func CheckJWKSURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > 2000 || !IsText(uri) || u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" ||
		u.User != nil || strings.ContainsAny(uri, "#\\ ") || strings.Contains(u.Host, "%") {
		return Errorf(InvalidRequest, "jwks_uri must be an https URL without user, fragment and zone")
	}
	return nil
}
