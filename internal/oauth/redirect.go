package oauth

import (
	"net/netip"
	"net/url"
	"strings"
)

// CheckRedirectURI returns a refusal for a URI that must not be registered: it is
// compared byte by byte later, so it must be whole (RFC 9700 §2.1, RFC 8252 §7).
func CheckRedirectURI(uri string) error {
	refuse := func(why string) error { return Errorf(InvalidRequest, "redirect URI %s", why) }
	u, err := url.Parse(uri)
	switch {
	case err != nil || len(uri) > 2048 || !IsText(uri) || strings.ContainsAny(uri, " *\\"):
		return refuse("is malformed")
	case u.Scheme == "":
		return refuse("must be absolute")
	case u.Fragment != "" || strings.Contains(uri, "#"): // RFC 6749 §3.1.2
		return refuse("must not have a fragment")
	case u.User != nil:
		return refuse("must not have user information")
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
