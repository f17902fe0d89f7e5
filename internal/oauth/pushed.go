package oauth

import "strings"

// pushedPrefix begins the request_uri of a pushed request (RFC 9126 §2.2); the identifier
// follows.
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// PushedURI is the request_uri of a pushed request.
func PushedURI(id string) string { return pushedPrefix + id }

func isPushed(uri string) bool { return strings.HasPrefix(uri, pushedPrefix) }

// pushed returns the identifier.
func (p params) pushed() (string, *Error) {
	if p.get("request") != "" || len(p["request"]) > 1 { // RFC 9101 §5
		return "", Errorf(InvalidRequest, "request and request_uri exclude each other")
	}
	id := strings.TrimPrefix(p.get("request_uri"), pushedPrefix)
	if !IsSecret(id) {
		return "", Over.Because("request_uri is malformed")
	}
	return id, nil
}

// ParsePushed reads an authorization request that client pushes (RFC 9126 §2.1): the same
// parameters as [ParseAuthorization], beside those of the client's authentication. client_id
// may be left out, where the authentication names the client already.
func ParsePushed(client string, form Form) (r AuthorizationRequest, refusal *Error) {
	if form.Get("request_uri") != "" { // RFC 9126 §2.1
		return r, Errorf(InvalidRequest, "request_uri is not for a request that is pushed")
	}
	p := make(params, len(form))
	for name, value := range form {
		p[name] = []string{value}
	}
	r.ClientID = client
	if r.RedirectURI, refusal = p.only("redirect_uri"); refusal != nil {
		return r, refusal
	}
	return r, p.read(&r)
}
