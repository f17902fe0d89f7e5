package authd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/authdtest"
)

// alike replaces what differs from one token or answer to the next by its type, identifiers also by their length.
func alike(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, value := range v {
			m[name] = alike(name, value)
		}
		return m
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = alike(name, v[i])
		}
		return all
	case string:
		switch name {
		case "jti", "sid", "fid", "kid", "error_id":
			return fmt.Sprintf("string of %d", len(v))
		case "alg", "typ", "type", "token_type", "kty", "use", "e", "amr", "error":
			return v
		}
	case bool:
		return v
	}
	return fmt.Sprintf("%T", v)
}

// lifetimes are the differences of dates in seconds.
func lifetimes(claims map[string]any) map[string]any {
	d := map[string]any{}
	for _, name := range []string{"exp", "nbf"} {
		if date, ok := claims[name].(float64); ok {
			d[name] = date - claims["iat"].(float64)
		}
	}
	return d
}

// Tokens of authdtest are those of the server: the same members of the same types, with the same lifetimes.
func TestTokensOfAuthdtestDoNotDrift(t *testing.T) {
	t.Parallel()
	h, _ := tutorial(t)
	secret := h.client(authd.Client{ID: "shop", Audiences: []string{"https://api.example"}})
	iss := authdtest.New(t)
	signedIn := h.signIn()
	refreshed := h.form("/oauth2/token", "", "", "grant_type", "refresh_token", "client_id", "app",
		"refresh_token", signedIn.str("refresh_token")).want(t, 200, "")
	own := h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "")
	tests := []struct {
		name string
		real string
		ours string
	}{
		{"a token for a refresh token is the one without shapes", refreshed.str("access_token"), iss.Token()},
		{"a token for a sign-in is fresh", signedIn.str("access_token"), iss.Token(authdtest.Fresh())},
		{"a client's own token", own.str("access_token"), iss.Token(authdtest.ClientCredentials("shop"))},
		{"a refresh token", signedIn.str("refresh_token"), iss.Token(authdtest.RefreshToken())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := range 2 {
				if diff := cmp.Diff(alike("", part(t, tt.real, n)), alike("", part(t, tt.ours, n))); diff != "" {
					t.Errorf("-server +authdtest\n%s", diff)
				}
			}
			if diff := cmp.Diff(lifetimes(part(t, tt.real, 1)), lifetimes(part(t, tt.ours, 1))); diff != "" {
				t.Errorf("lifetimes: -server +authdtest\n%s", diff)
			}
		})
	}
}

// told is what a resource server sees of an answer.
type told struct {
	Status int
	Header map[string]string
	Body   any
}

func answerTo(t *testing.T, h http.Handler, r *http.Request) told {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got := told{Status: w.Code, Header: map[string]string{}}
	for _, name := range []string{
		"Content-Type", "Cache-Control", "Www-Authenticate", "Preference-Applied", "Access-Control-Allow-Origin",
	} {
		got.Header[name] = w.Header().Get(name)
	}
	got.Header["ETag"] = fmt.Sprint(len(w.Header().Get("ETag")))
	if err := json.Unmarshal(w.Body.Bytes(), &got.Body); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	got.Body = alike("", got.Body)
	return got
}

// Endpoints of authdtest answer as those of the server.
func TestEndpointsOfAuthdtestDoNotDrift(t *testing.T) {
	t.Parallel()
	h, apiSecret := tutorial(t)
	iss := authdtest.New(t, authdtest.Defaults(authdtest.Audience("https://api.example")))
	iss.AnnounceKey() // the server always has one
	realToken := h.form("/oauth2/token", "", "", "grant_type", "refresh_token", "client_id", "app",
		"refresh_token", h.signIn().str("refresh_token")).want(t, 200, "").str("access_token")
	claims := part(t, realToken, 1)
	token := iss.Token(authdtest.Scope("read"))

	type question struct{ method, path, body, prefer, secret string }
	// both puts a question to the server and to authdtest; what differs in the question is filled in.
	both := func(q question, realFill, fill string) (server, ours told) {
		ask := func(handler http.Handler, id, secret, fill string) told {
			r := httptest.NewRequest(q.method, q.path, io.NopCloser(strings.NewReader(strings.ReplaceAll(q.body, "FILL", fill))))
			if q.body != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if q.prefer != "" {
				r.Header.Set("Prefer", q.prefer)
			}
			if q.secret != "" {
				secret = q.secret
			}
			r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			return answerTo(t, handler, r)
		}
		return ask(h.server.Handler(), "api", apiSecret, realFill), ask(iss, iss.ClientID, iss.ClientSecret, fill)
	}
	compare := func(name string, q question, realFill, fill string) {
		t.Helper()
		server, ours := both(q, realFill, fill)
		if diff := cmp.Diff(server, ours); diff != "" {
			t.Errorf("%s: -server +authdtest\n%s", name, diff)
		}
	}
	compare("JWKS", question{method: "GET", path: authdtest.JWKSPath}, "", "")
	introspection := question{method: "POST", path: authdtest.IntrospectionPath, body: "token=FILL"}
	compare("introspection of a token", introspection, realToken, token)
	compare("introspection of garbage", introspection, "garbage", "garbage")
	compare("introspection of nothing", question{method: "POST", path: authdtest.IntrospectionPath, body: "a=b"}, "", "")
	compare("wrong secret", question{method: "POST", path: authdtest.IntrospectionPath, body: "token=x", secret: "wrong"}, "", "")
	feed := question{method: "GET", path: authdtest.RevocationsPath, prefer: "wait=0"}
	compare("empty feed", feed, "", "")
	compare("cursor twice", question{method: "GET", path: authdtest.RevocationsPath + "?after=a&after=b"}, "", "")

	h.form("/oauth2/revoke", "", "", "client_id", "app", "token", realToken).want(t, 200, "")
	iss.Revoke(token)
	compare("introspection of a revoked token", introspection, realToken, token)
	compare("feed after the end of a token", feed, "", "")
	if err := h.server.RevokeFamily(t.Context(), claims["sid"].(string)); err != nil {
		t.Fatal(err)
	}
	iss.RevokeSession(part(t, token, 1)["sid"].(string))
	compare("feed after the end of a session", feed, "", "")
	if err := h.server.RevokeSubject(t.Context(), claims["sub"].(string)); err != nil {
		t.Fatal(err)
	}
	iss.RevokeSubject(authdtest.DefaultSubject)
	compare("feed after the end of a subject", feed, "", "")
	feed.path += "?after=foreign"
	compare("foreign cursor", feed, "", "")

	server, ours := both(question{method: "GET", path: authdtest.MetadataPath}, "", "")
	for name, value := range ours.Body.(map[string]any) { // authdtest has fewer endpoints
		all, isList := server.Body.(map[string]any)[name].([]any)
		if !isList && server.Body.(map[string]any)[name] != value || isList && !slices.Contains(all, value.([]any)[0]) {
			t.Errorf("metadata: %s is %v, of the server %v", name, value, server.Body.(map[string]any)[name])
		}
	}
	server.Body, ours.Body = nil, nil
	if diff := cmp.Diff(server, ours); diff != "" {
		t.Errorf("metadata: -server +authdtest\n%s", diff)
	}
}
