package authdtest

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// authenticate takes client_secret_basic alone, and answers where it returns false.
func (i *Issuer) authenticate(w http.ResponseWriter, r *http.Request) (id string, c client, ok bool) {
	id, secret, _ := r.BasicAuth()
	id, errID := url.QueryUnescape(id) // RFC 6749 §2.3.1
	secret, errSecret := url.QueryUnescape(secret)
	c, known := i.clients[id]
	if errID != nil || errSecret != nil || !known || secret != c.secret {
		refuse(w, oauth.Errorf(oauth.InvalidClient, "client authentication failed"))
		return "", client{}, false
	}
	return id, c, true
}

// form reads a request that is no longer than the server reads.
func form(w http.ResponseWriter, r *http.Request) (oauth.Form, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, oauth.MaxFormBytes))
	if err != nil {
		refuse(w, oauth.Errorf(oauth.InvalidRequest, "request body cannot be read"))
		return nil, false
	}
	f, err := oauth.ParseForm(r.Header.Get("Content-Type"), body)
	if err != nil {
		refuse(w, oauth.Errorf(oauth.InvalidRequest, "request is no form"))
		return nil, false
	}
	return f, true
}

// serveIntrospection serves POST /oauth2/introspect (RFC 7662).
func (i *Issuer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	_, caller, ok := i.authenticate(w, r)
	if !ok {
		return
	}
	f, ok := form(w, r)
	if !ok {
		return
	}
	if f.Get("token") == "" {
		refuse(w, oauth.Errorf(oauth.InvalidRequest, "token is missing"))
		return
	}
	writeJSON(w, http.StatusOK, i.introspect(f.Get("token"), caller))
}

func (i *Issuer) introspect(token string, caller client) map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	claims := i.active(token)
	if claims == nil || !concerns(audiencesOf(claims), caller) {
		return map[string]any{"active": false}
	}
	answer := map[string]any{"active": true, "token_type": "Bearer"}
	for _, name := range []string{"scope", "client_id", "exp", "iat", "nbf", "sub", "aud", "iss", "jti", "sid"} {
		if value, ok := claims[name]; ok && value != "" {
			answer[name] = value
		}
	}
	return answer
}

// active returns the claims of an access token that lives, nil for anything else.
func (i *Issuer) active(token string) map[string]any {
	c, err := oauth.ParseCompact(token)
	if err != nil || !oauth.TypIs(c.Typ, oauth.TypeAccessToken) {
		return nil
	}
	key := i.keys.find(c.Kid)
	if key == nil || c.VerifyRS256(&key.private.PublicKey) != nil {
		return nil
	}
	claims, err := oauth.DecodeClaims(c.Payload)
	if err != nil || claims["iss"] != i.URL || !i.isAlive(c.Kid, claims) {
		return nil
	}
	return claims
}

func (i *Issuer) isAlive(kid string, claims map[string]any) bool {
	exp, err := oauth.NumericDate(claims["exp"])
	dead := slices.ContainsFunc(i.feed, func(e entry) bool { return e.kills(kid, claims) })
	return err == nil && i.now().Before(exp) && !dead
}

// concerns reports whether tokens for these audiences are a resource server's business.
func concerns(audiences []string, caller client) bool {
	return slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(caller.audiences, a) })
}

// serveToken serves POST /oauth2/token (RFC 6749 §4.4): client_credentials, any scope and any resource.
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	id, _, ok := i.authenticate(w, r)
	if !ok {
		return
	}
	f, ok := form(w, r)
	if !ok {
		return
	}
	if f.Get("grant_type") != string(oauth.ClientCredentials) {
		refuse(w, oauth.Errorf(oauth.UnsupportedGrantType, "this issuer knows client_credentials alone"))
		return
	}
	shapes := []Shape{ClientCredentials(id), Scope(f.Get("scope"))}
	if resource := f.Get("resource"); resource != "" {
		shapes = append(shapes, Audience(resource))
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": i.Token(shapes...), "token_type": "Bearer", "expires_in": int(DefaultTTL / time.Second), "scope": f.Get("scope"),
	})
}
