package main

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// session is one person in one browser.
type session struct {
	subject string
	idToken string // to sign out with
	// tokens refreshes by itself, one request at a time: a refresh token is good once. It must stay the only copy.
	tokens oauth2.TokenSource
	ends   time.Time
}

const sessionLifetime = 12 * time.Hour

// sessions are kept in memory: a restart ends them, and people sign in again without a password. An application of more than
// one process keeps them in its database, and locks the row while it refreshes.
type sessions struct {
	mu  sync.Mutex
	all map[string]*session
}

// begin returns the value of the cookie. Each sign-in has a new one: whoever knew an earlier one is not signed in by it.
func (s *sessions) begin(new *session) string {
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, old := range s.all {
		if time.Now().After(old.ends) {
			delete(s.all, id)
		}
	}
	s.all[id] = new
	return id
}

func (s *sessions) get(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.all[id]; found != nil && time.Now().Before(found.ends) {
		return found
	}
	return nil
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

const sessionCookie = "session"

// cookieName: with __Host- no other host and no page without TLS can plant a cookie. On a developer's machine there is no TLS.
func (a *app) cookieName(name string) string {
	if strings.HasPrefix(a.home, "https:") {
		return "__Host-" + name
	}
	return name
}

// setCookie takes the cookie back where value is "".
func (a *app) setCookie(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	cookie := &http.Cookie{
		Name: a.cookieName(name), Value: value, Path: "/", MaxAge: int(lifetime.Seconds()),
		Secure: strings.HasPrefix(a.home, "https:"), HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // Strict would not come with the redirect from authd
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

func (a *app) cookie(r *http.Request, name string) string {
	cookie, err := r.Cookie(a.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// signedIn serves pages for people who are signed in, and sends others to authd and back.
func (a *app) signedIn(page func(http.ResponseWriter, *http.Request, *session) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := a.sessions.get(a.cookie(r, sessionCookie))
		if s == nil {
			a.signIn(w, r)
			return
		}
		if err := page(w, r, s); err != nil {
			a.failed(w, r, err)
		}
	}
}
