package rs

import (
	"errors"
	"net/http"
	"time"
)

var errNoRefreshPath = errors.New("rs: CookieConfig.RefreshPath is empty")

// SetRefreshCookie keeps a refresh token in the browser for life, which is how long the issuer takes it. It is sent to
// CookieConfig.RefreshPath alone, with which the host trades it at the issuer's token endpoint: no resource server takes
// it. It may be used once, so each trade sets the next one.
func (c *Cookies) SetRefreshCookie(w http.ResponseWriter, token string, life time.Duration) error {
	cookie := c.refreshCookie(token)
	switch {
	case c.cfg.RefreshPath == "":
		return errNoRefreshPath
	case token == "" || cookie.Valid() != nil:
		return errors.New("rs: refresh token cannot be the value of a cookie")
	}
	return c.set(w, cookie, life)
}

// RefreshToken returns the refresh token that r brings, for the handler of CookieConfig.RefreshPath. The access token may be
// over by then and its CSRF value with it, so r must be a POST that a browser says to come from the application's
// pages: without Sec-Fetch-Site and Origin, too, it is refused with [ErrCSRF]. The error is an [*Error].
func (c *Cookies) RefreshToken(r *http.Request) (string, error) {
	if c.cfg.RefreshPath == "" {
		return "", refuse(ErrUnavailable, errNoRefreshPath)
	}
	if r.Method != http.MethodPost || r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return "", refuse(ErrCSRF, errors.New("not a POST of a browser"))
	}
	if err := c.origins.Check(r); err != nil {
		return "", refuse(ErrCSRF, err)
	}
	token, err := c.read(r, c.cfg.RefreshName)
	if err == nil && token == "" {
		err = refuse(ErrMissing, nil)
	}
	return token, err
}

func (c *Cookies) refreshCookie(token string) http.Cookie {
	return http.Cookie{
		Name: c.cfg.RefreshName, Value: token, Path: c.cfg.RefreshPath, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
