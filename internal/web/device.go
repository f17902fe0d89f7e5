package web

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/go-authd/authd/internal/oauth"
)

// PeerDevice takes the address of whoever opened the connection. No header can change it
// (H-20).
func PeerDevice(r *http.Request) oauth.Device { return deviceBy(middleware.ClientIPFromRemoteAddr, r) }

// ProxiedDevice reads the address from a header that the proxies set, and from no other. A
// connection of anybody else counts as its own address, whatever it sends.
func ProxiedDevice(header string, proxies []netip.Prefix) (func(*http.Request) oauth.Device, error) {
	if len(proxies) == 0 {
		return nil, errors.New("no proxy is trusted: who may set the header has to be said")
	}
	trusted := make([]string, len(proxies))
	for i, p := range proxies {
		if !p.IsValid() {
			return nil, errors.New("a trusted proxy is no valid network")
		}
		trusted[i] = p.String()
	}
	if !isToken(header) {
		return nil, errors.New("header is not the name of one")
	}
	by := middleware.ClientIPFromHeader(header, trusted...)
	if http.CanonicalHeaderKey(header) == "X-Forwarded-For" { // a list, to which each proxy appends
		by = middleware.ClientIPFromXFF(trusted...)
	}
	return func(r *http.Request) oauth.Device { return deviceBy(by, r) }, nil
}

func deviceBy(by func(http.Handler) http.Handler, r *http.Request) (d oauth.Device) {
	by(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		d = oauth.NewDevice(middleware.GetClientIPAddr(r.Context()), r.UserAgent())
	})).ServeHTTP(nil, r)
	return d
}

// isToken is RFC 9110 §5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
