package oauth

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckRedirectURI returns a refusal for a URI that must not be registered: it is
// compared byte by byte later, so it must be whole (RFC 9700 §2.1, RFC 8252 §7).
func CheckRedirectURI(uri string) error { return checkURI("redirect URI", uri) }

// CheckPostLogoutURI is [CheckRedirectURI] for a URI that a browser goes to after a sign-out
// (OIDC RP-Initiated Logout §3.1).
func CheckPostLogoutURI(uri string) error { return checkURI("post-logout redirect URI", uri) }

// CheckBackchannelLogoutURI returns a refusal for a URI to which no logout token would be sent
// (OIDC Back-Channel Logout §2.2). Where its host leads to is seen when it is used.
func CheckBackchannelLogoutURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxRedirectURI || !isURIText(uri) || u.Hostname() == "" || u.Opaque != "" || u.User != nil ||
		strings.Contains(uri, "#") || strings.Contains(u.Host, "%") ||
		u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Hostname())) {
		return Errorf(InvalidRequest, "backchannel_logout_uri must be an https URL, or http to a loopback address, without user, fragment and zone")
	}
	return nil
}

func checkURI(name, uri string) error {
	refuse := func(why string) error { return Errorf(InvalidRequest, "%s %s", name, why) }
	u, err := url.Parse(uri)
	switch {
	case err != nil || len(uri) > maxRedirectURI || !isURIText(uri):
		return refuse("is malformed")
	case u.Scheme == "":
		return refuse("must be absolute")
	case u.Fragment != "" || strings.Contains(uri, "#"): // RFC 6749 §3.1.2
		return refuse("must not have a fragment")
	case u.User != nil:
		return refuse("must not have user information")
	case hasAnswerParam(u.RawQuery):
		return refuse("must not have a parameter of an answer, such as code or state")
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && IsLoopback(u.Hostname()): // RFC 8252 §7.3
		return nil
	case u.Scheme == "https" || u.Scheme == "http":
		return refuse("must be https, or http to a loopback address")
	case !strings.Contains(u.Scheme, "."): // RFC 8252 §7.1; javascript: and data: among them
		return refuse("must have a scheme of your own domain, as com.example.app")
	}
	return nil
}

const maxRedirectURI = 2048

// isURIText: RFC 3986 has no other characters; an asterisk would be a wildcard to some.
func isURIText(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("*\\\"<>^`{|}", c) >= 0 {
			return false
		}
	}
	return true
}

// hasAnswerParam: a client would read the registered parameter instead of the answer's.
func hasAnswerParam(query string) bool {
	values, err := url.ParseQuery(query)
	for _, name := range []string{"code", "state", "iss", "error", "error_description", "error_uri"} {
		if values.Has(name) {
			return true
		}
	}
	return err != nil
}

// MatchRedirectURI reports whether uri is one of those registered: byte for byte (RFC 9700
// §2.1), but for the port of an http URI on a loopback address, which native applications
// are given by their system (RFC 8252 §7.3).
func MatchRedirectURI(registered []string, uri string) bool {
	for _, r := range registered {
		if r == uri {
			return true
		}
		host, rest, ok := cutLoopback(r)
		if !ok {
			continue
		}
		if gotHost, gotRest, ok := cutLoopback(uri); ok && gotHost == host && gotRest == rest {
			return true
		}
	}
	return false
}

// cutLoopback takes the port out of an http URI on a loopback address. It is done on the
// text: what a parser would make the same is not the same.
func cutLoopback(uri string) (host, rest string, ok bool) {
	authority, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority, rest = authority[:i], authority[i:]
	}
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host = authority[:i]
		if port, err := strconv.ParseUint(authority[i+1:], 10, 16); err != nil || port == 0 {
			return "", "", false
		}
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.HasPrefix(host, "[") != strings.Contains(bare, ":") {
		return "", "", false
	}
	return host, rest, IsLoopback(bare)
}

// CheckOrigin returns a refusal for what a browser would not send as an Origin header.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host ||
		u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Hostname())) {
		return Errorf(InvalidRequest, "allowed origin must be https://host[:port], or http to a loopback address")
	}
	return nil
}

// IsLoopback reports whether host is localhost or a loopback address.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
