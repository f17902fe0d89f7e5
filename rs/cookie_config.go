package rs

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// CookieConfig configures [NewCookies]. Only CSRFKeys is required.
type CookieConfig struct {
	// CSRFKeys are random keys of at least 32 bytes, the same on all replicas. The first makes the CSRF values, all of them
	// check. To replace a key, add the new one behind the old one on all replicas, then swap them, and take the old one out
	// when the tokens of that time have expired.
	CSRFKeys [][]byte

	// Name is the token's cookie. Default "__Host-access_token": with this prefix a browser takes it from this host over
	// TLS only. Names must have it, or "__Secure-" where there is a Path.
	Name string
	// Path limits the token's cookie to a part of the site. Default "/", everywhere.
	Path string
	// SameSite is Lax by default, so that links from elsewhere find the person signed in; Strict may be chosen.
	SameSite http.SameSite

	// CSRFName is the cookie from which the pages' JavaScript reads the CSRF value. Default "__Host-csrf_token".
	CSRFName string
	// NoCSRFCookie leaves that cookie out, for pages that the server writes [Cookies.CSRFValue] into.
	NoCSRFCookie bool
	// CSRFHeader is where the value comes back. Default "X-CSRF-Token".
	CSRFHeader string
	// CSRFField is a form field in which the value may come back instead. Default none. The bounds of [Form] hold then.
	CSRFField string
	// TrustedOrigins are other origins whose pages may send requests with the cookie, as "https://app.example.com".
	// They get the CSRF value from the host, since they cannot read its cookie. Default none.
	TrustedOrigins []string

	// RefreshPath is the one route that [Cookies.SetRefreshCookie] sends a refresh token to, as "/session/refresh".
	// Default none: there is no refresh cookie.
	RefreshPath string
	// RefreshName is the refresh token's cookie. Default "__Secure-refresh_token".
	RefreshName string

	// Insecure is for tests on http://127.0.0.1: cookies without Secure, and by default without the prefixes. They are taken
	// from requests for a loopback host only.
	Insecure bool
	// Now is the clock that cookies end by. Default [time.Now].
	Now func() time.Time
}

// minCSRFKey is the output of SHA-256, below which a key weakens HMAC (RFC 2104 §3).
const minCSRFKey = 32

func (c CookieConfig) withDefaults() CookieConfig {
	c.Path = cmp.Or(c.Path, "/")
	c.Name = cmp.Or(c.Name, c.prefix(c.Path)+"access_token")
	c.CSRFName = cmp.Or(c.CSRFName, c.prefix("/")+"csrf_token")
	c.RefreshName = cmp.Or(c.RefreshName, c.prefix(c.RefreshPath)+"refresh_token")
	c.SameSite = cmp.Or(c.SameSite, http.SameSiteLaxMode)
	c.CSRFHeader = cmp.Or(c.CSRFHeader, "X-CSRF-Token")
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// prefix is what browsers hold a cookie of this path to (RFC 6265bis §4.1.3): set over TLS, and by this very host if
// the path is "/".
func (c CookieConfig) prefix(path string) string {
	switch {
	case c.Insecure:
		return ""
	case path == "/":
		return "__Host-"
	}
	return "__Secure-"
}

func (c CookieConfig) validate() error {
	if len(c.CSRFKeys) == 0 {
		return errors.New("CSRFKeys is empty")
	}
	for i, key := range c.CSRFKeys {
		if len(key) < minCSRFKey {
			return fmt.Errorf("CSRFKeys[%d] has %d bytes, want at least %d", i, len(key), minCSRFKey)
		}
	}
	if c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode {
		return errors.New("SameSite is neither Lax nor Strict")
	}
	if c.Name == c.CSRFName || c.Name == c.RefreshName || c.CSRFName == c.RefreshName {
		return errors.New("two cookies have one name")
	}
	if err := cmp.Or(c.validateCookie(c.Name, c.Path), c.validateCookie(c.CSRFName, "/")); err != nil {
		return err
	}
	if c.RefreshPath == "" {
		return nil
	}
	return c.validateCookie(c.RefreshName, c.RefreshPath)
}

func (c CookieConfig) validateCookie(name, path string) error {
	cookie := http.Cookie{Name: name, Path: path}
	switch {
	case cookie.Valid() != nil || !strings.HasPrefix(path, "/"):
		return fmt.Errorf("name %q or path %q is none of a cookie", name, path)
	case !strings.HasPrefix(name, c.prefix(path)):
		return fmt.Errorf("cookie %q with path %q has not the prefix %s", name, path, c.prefix(path))
	}
	return nil
}
