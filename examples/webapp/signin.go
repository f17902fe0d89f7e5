package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// signIn sends the browser to authd. What the answer is held against waits in a cookie that is named after the state: it is
// there in this browser only, and each tab has its own.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	a.setCookie(w, "sign-in-"+state, nonce+"."+verifier+"."+url.QueryEscape(r.URL.RequestURI()), 15*time.Minute)
	to := a.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce))
	http.Redirect(w, r, to, http.StatusSeeOther)
}

var (
	errNotHere = errors.New("it did not begin in this browser, or is too old")
	errForeign = errors.New("the answer is not from the server that was asked")
	errNonce   = errors.New("the ID token is of another sign-in")
)

// callback takes the answer.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name := "sign-in-" + q.Get("state")
	parts := strings.SplitN(a.cookie(r, name), ".", 3)
	if len(parts) != 3 {
		notSignedIn(w, errNotHere)
		return
	}
	a.setCookie(w, name, "", 0)
	nonce, verifier, path := parts[0], parts[1], parts[2]
	s, err := a.redeem(r, q, nonce, verifier)
	if err != nil {
		notSignedIn(w, err)
		return
	}
	a.sessions.end(a.cookie(r, sessionCookie))
	a.setCookie(w, sessionCookie, a.sessions.begin(s), sessionLifetime)
	if path, err = url.QueryUnescape(path); err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		path = "/"
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// refreshEarly is how long before its end an access token is used no more: the request takes its time, and an API's clock
// may be ahead.
const refreshEarly = time.Minute

// redeem makes a session of an answer that is authd's and belongs to the sign-in with this nonce and verifier.
func (a *app) redeem(r *http.Request, answer url.Values, nonce, verifier string) (*session, error) {
	// RFC 9207: an answer of another server must not be taken for this one's. Errors have iss, too.
	if iss := answer["iss"]; len(iss) != 1 || iss[0] != a.endpoint.Issuer {
		return nil, errForeign
	}
	if answer.Has("error") { // such as access_denied: the person said no
		return nil, fmt.Errorf("authd answers %q", answer.Get("error"))
	}
	token, err := a.oauth.Exchange(a.ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.verifier.Verify(r.Context(), raw) // signature, iss, aud, exp
	if err != nil {
		return nil, err
	}
	if id.Nonce != nonce { // the verifier leaves this to us
		return nil, errNonce
	}
	return &session{
		subject: id.Subject, idToken: raw, ends: time.Now().Add(sessionLifetime),
		tokens: oauth2.ReuseTokenSourceWithExpiry(token, a.oauth.TokenSource(a.ctx, token), refreshEarly),
	}, nil
}

// signOut ends the session here, then what keeps it alive at authd, then the person's session there.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	id := a.cookie(r, sessionCookie)
	s := a.sessions.get(id)
	a.sessions.end(id)
	a.setCookie(w, sessionCookie, "", 0)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if err := a.revoke(r, s); err != nil {
		log.Printf("revoking a refresh token: %v", err) // it ends by itself, later
	}
	to := url.Values{"id_token_hint": {s.idToken}, "post_logout_redirect_uri": {a.home + "/"}}
	http.Redirect(w, r, a.endpoint.EndSession+"?"+to.Encode(), http.StatusSeeOther)
}

// revoke ends the refresh token and all that came of it (RFC 7009): with offline_access it outlives the sign-out.
func (a *app) revoke(r *http.Request, s *session) error {
	token, err := s.tokens.Token() // the latest
	if err != nil {
		return err
	}
	form := url.Values{"token": {token.RefreshToken}}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, a.endpoint.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(a.oauth.ClientID), url.QueryEscape(a.oauth.ClientSecret)) // RFC 6749 §2.3.1
	_, err = a.read(req)
	return err
}
