package rs

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Cookies keeps access tokens in the cookies of a web application and its API on one host. Requests that change
// something, all but GET, HEAD and OPTIONS, must come from the application's own pages, or are refused with [ErrCSRF];
// there is no switch for that. So a handler must change nothing for GET, and look at Origin before it upgrades to a WebSocket.
type Cookies struct {
	cfg     CookieConfig
	keys    *[][]byte // a pointer, because no %+v shows what it points to
	origins *http.CrossOriginProtection
}

// NewCookies checks cfg, so that what browsers would drop in silence is an error at start.
func NewCookies(cfg CookieConfig) (*Cookies, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("rs: CookieConfig: %w", err)
	}
	origins := http.NewCrossOriginProtection()
	for _, origin := range cfg.TrustedOrigins {
		if err := origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("rs: CookieConfig.TrustedOrigins: %w", err)
		}
	}
	keys := make([][]byte, len(cfg.CSRFKeys))
	for i, key := range cfg.CSRFKeys {
		keys[i] = slices.Clone(key)
	}
	cfg.CSRFKeys = nil
	return &Cookies{cfg, &keys, origins}, nil
}

// Cookie is the cookie that c sets. A verified token is not enough there: the request must also prove that it comes from
// the application's own pages, as [Cookies] says.
func Cookie(c *Cookies) Location {
	if c == nil { // the error of NewCookies was not looked at
		return Location{source: sourceCookie, find: func(*http.Request) (string, error) {
			return "", refuse(ErrUnavailable, errors.New("no Cookies"))
		}}
	}
	return Location{source: sourceCookie, name: c.cfg.Name, check: c.checkCSRF, find: func(r *http.Request) (string, error) {
		return c.read(r, c.cfg.Name)
	}}
}

// SetTokenCookie keeps t, which [Verifier.Verify] has returned, in the browser until it expires, and beside it the CSRF
// value that the pages send back. The browser's JavaScript cannot read the token. Call it before anything is written.
func (c *Cookies) SetTokenCookie(w http.ResponseWriter, t *Token) error {
	if t == nil || t.state == nil {
		return errors.New("rs: the token does not come from a verifier")
	}
	life := t.ExpiresAt.Sub(c.cfg.Now())
	if err := c.set(w, http.Cookie{Name: c.cfg.Name, Value: t.state.token, Path: c.cfg.Path, HttpOnly: true}, life); err != nil {
		return err
	}
	if c.cfg.NoCSRFCookie {
		return nil
	}
	return c.set(w, http.Cookie{Name: c.cfg.CSRFName, Value: c.CSRFValue(t), Path: "/"}, life)
}

// ClearTokenCookies makes the browser forget all cookies that c sets. The tokens are still good: revoke them, too.
func (c *Cookies) ClearTokenCookies(w http.ResponseWriter) {
	c.clear(w, http.Cookie{Name: c.cfg.Name, Path: c.cfg.Path, HttpOnly: true})
	c.clear(w, http.Cookie{Name: c.cfg.CSRFName, Path: "/"})
	if c.cfg.RefreshPath != "" {
		c.clear(w, c.refreshCookie(""))
	}
}

func (c *Cookies) clear(w http.ResponseWriter, cookie http.Cookie) {
	cookie.MaxAge = -1
	c.write(w, cookie)
}

// maxCookie is the length of name and value above which browsers drop a cookie (RFC 6265bis §5.6).
const maxCookie = 4096

func (c *Cookies) set(w http.ResponseWriter, cookie http.Cookie, life time.Duration) error {
	cookie.MaxAge = int(life / time.Second)
	switch {
	case cookie.MaxAge <= 0: // 0 would make it last as long as the browser
		return fmt.Errorf("rs: cookie %s: %w", cookie.Name, ErrExpired)
	case len(cookie.Name)+len(cookie.Value) > maxCookie:
		return fmt.Errorf("rs: cookie %s: token of %d bytes is too long for browsers", cookie.Name, len(cookie.Value))
	}
	c.write(w, cookie)
	return nil
}

// write adds what holds for all cookies. No cache may keep the answer: it would give it to the next person.
func (c *Cookies) write(w http.ResponseWriter, cookie http.Cookie) {
	cookie.Secure = !c.cfg.Insecure
	if cookie.SameSite == 0 {
		cookie.SameSite = c.cfg.SameSite
	}
	http.SetCookie(w, &cookie)
	w.Header().Set("Cache-Control", "no-store")
}

// read returns the one cookie of this name. A second one would be another path's or, without __Host-, another host's.
func (c *Cookies) read(r *http.Request, name string) (string, error) {
	var values []string
	for _, cookie := range r.CookiesNamed(name) {
		values = append(values, cookie.Value)
	}
	if host := (&url.URL{Host: r.Host}).Hostname(); len(values) > 0 && c.cfg.Insecure && !isLoopback(host) {
		return "", malformed("insecure cookies on a host that is not loopback")
	}
	return single(values, sourceCookie)
}
