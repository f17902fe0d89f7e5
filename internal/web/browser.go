package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// Names of the cookies, without what [cookies] puts around them.
const (
	browserCookie = "authd_browser" // to it parked requests are bound
	sessionCookie = "authd_session" // who is signed in
)

// cookies of one issuer.
type cookies struct {
	secure bool
	suffix string
}

// newCookies: a cookie with the prefix __Host- can be set by this host alone, and only over
// TLS. An http issuer, as on a developer's machine, can have neither. Issuers of one host
// with different paths have different names, since the prefix wants the path to be /.
func newCookies(issuer *url.URL) cookies {
	c := cookies{secure: issuer.Scheme == "https"}
	if issuer.Path != "" {
		sum := sha256.Sum256([]byte(issuer.Path))
		c.suffix = "_" + hex.EncodeToString(sum[:4])
	}
	return c
}

func (c cookies) name(base string) string {
	if c.secure {
		return "__Host-" + base + c.suffix
	}
	return base + c.suffix
}

// get returns "" for a cookie that is not there, not ours, or there twice: one of the two
// was planted, and nobody knows which.
func (c cookies) get(r *http.Request, base string) string {
	found := r.CookiesNamed(c.name(base))
	if len(found) != 1 || !oauth.IsSecret(found[0].Value) {
		return ""
	}
	return found[0].Value
}

// set makes a cookie that ends with the browser; "" takes it back.
func (c cookies) set(w http.ResponseWriter, base, value string) {
	if value == "" {
		c.setFor(w, base, value, -1)
		return
	}
	c.setFor(w, base, value, 0)
}

// setFor makes one that lasts so many seconds.
func (c cookies) setFor(w http.ResponseWriter, base, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(base), Value: value, Path: "/", MaxAge: seconds, Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// knownSeconds is 90 days: as long is a browser known in which somebody has signed in.
const knownSeconds = 90 * 24 * 60 * 60

// setSession signs somebody in. The throttle of our own users knows the browser from now on, so
// that it has to be the same one the next time.
func (s *Server) setSession(w http.ResponseWriter, b grants.Browser, session string) {
	s.cookies.set(w, sessionCookie, session)
	if s.cfg.Passwords != nil && b.ID != "" {
		s.cookies.setFor(w, browserCookie, b.ID, knownSeconds)
	}
}

func (s *Server) browser(r *http.Request) grants.Browser {
	return grants.Browser{
		ID: s.cookies.get(r, browserCookie), Session: s.cookies.get(r, sessionCookie), From: s.cfg.Device(r), Address: s.cfg.Address(r),
	}
}

// knownBrowser gives a browser that has none the cookie that tells it from others.
func (s *Server) knownBrowser(w http.ResponseWriter, r *http.Request) (grants.Browser, error) {
	b := s.browser(r)
	if b.ID != "" {
		return b, nil
	}
	id, err := oauth.NewSecret(s.cfg.Random)
	if err != nil {
		return b, err
	}
	b.ID = id.Text
	s.cookies.set(w, browserCookie, b.ID)
	return b, nil
}

// formToken proves that a form was filled in on a page that was made for this browser, this
// request and, with the session's cookie as secret, this person.
func formToken(secret, form, request string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(form + " " + request))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func isFormToken(got, secret, form, request string) bool {
	return secret != "" && hmac.Equal([]byte(got), []byte(formToken(secret, form, request)))
}

// newOriginCheck admits forms of our own pages. The issuer's origin counts as that, whatever
// Host a proxy sends.
func newOriginCheck(issuer *url.URL) (*http.CrossOriginProtection, error) {
	check := http.NewCrossOriginProtection()
	if err := check.AddTrustedOrigin(issuer.Scheme + "://" + issuer.Host); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return check, nil
}

// overTLS keeps a browser that was here over TLS from coming without it, for a year (RFC 6797,
// W-14). It speaks for the issuer's host alone: whether its subdomains, and browsers that were
// never here (preload), can do without plain HTTP is for the owner of the domain to say.
var overTLS = []string{"max-age=31536000"}

// page answers errors of h with a page: whoever is there is a person.
func (s *Server) page(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.secure {
			w.Header()["Strict-Transport-Security"] = overTLS
		}
		err := protect(h, w, r)
		if err == nil {
			return nil
		}
		ev := eventOf(r.Context())
		refusal := s.failed(ev, err)
		if ev.status != 0 { // half a page must not look like a whole one
			panic(http.ErrAbortHandler)
		}
		status := pageStatus(w, refusal)
		return s.pages.Render(w, r, status, pages.Error{
			Code: string(refusal.Code), Description: description(refusal.Description), ErrorID: ev.id,
		})
	}
}

// pageStatus is the status of a page that tells of a refusal.
func pageStatus(w http.ResponseWriter, refusal *oauth.Error) int {
	status := refusal.HTTPStatus()
	if status == http.StatusUnauthorized { // RFC 9110 §15.5.2: there is no challenge here
		status = http.StatusBadRequest
	}
	setRetryAfter(w, status, refusal)
	return status
}

// failed notes err for the log, and returns what may be told of it.
func (s *Server) failed(ev *event, err error) *oauth.Error {
	ev.err, ev.refusal = err, s.refusal(err)
	return ev.refusal
}

// pageForm serves a form of our own pages, and of no other's.
func (s *Server) pageForm(h func(http.ResponseWriter, *http.Request, oauth.Form) error) handler {
	return s.page(s.limited(func(w http.ResponseWriter, r *http.Request, body []byte) error {
		if s.origins.Check(r) != nil {
			return &oauth.Error{Code: oauth.CrossSite, Status: http.StatusForbidden, Description: "the form was sent by another site"}
		}
		form, err := oauth.ParseForm(strings.Join(r.Header.Values("Content-Type"), ","), body)
		if err != nil {
			return err
		}
		return h(w, r, form)
	}))
}

// redirect is always 303: after a form, anything else may send the form on (RFC 9700 §4.12).
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
