package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// application is the program, with an issuer for tests in place of authd.
func application(t *testing.T) (*authdtest.Issuer, *httptest.Server) {
	t.Helper()
	issuer, users := authdtest.New(t), newUsers()
	v, err := rs.New(t.Context(), rs.Config{
		Issuer: issuer.URL, Audience: audience, SubjectLoader: users.load, OnError: message, Now: issuer.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	cookies, err := rs.NewCookies(rs.CookieConfig{
		CSRFKeys: [][]byte{make([]byte, 32)}, RefreshPath: "/session", Insecure: true, Now: issuer.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{issuer: issuer.URL, client: "app", verifier: v, cookies: cookies}
	api := httptest.NewServer(routes(v, s, users))
	t.Cleanup(api.Close)
	return issuer, api
}

// call asks with a token, or without one.
func call(t *testing.T, client *http.Client, method, address, token string, headers ...string) (int, string, http.Header) {
	t.Helper()
	body := strings.NewReader(`{"username":"ada","password":"x"}`) // the login reads it
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	told, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(told), res.Header
}

// S4-17, M-19: the tutorials' last step, a call with a good token, an expired one and a wrong one, for each kind of route.
// S4-06, S4-07, S2-23, F-31, F-32, F-33, F-35, F-54, F-81, F-83, F-88, F-90, F-93: who is refused is told so with a
// challenge, in the words that the application chooses.
func TestRoutes(t *testing.T) {
	t.Parallel()
	issuer, api := application(t)
	token := issuer.Token
	ann, fresh := authdtest.Subject("usr_ann"), authdtest.Fresh()
	tests := []struct {
		name, route, token string
		status             int
		says, challenge    string
	}{
		{"good", "GET /protected", token(ann), 200, `"logged_in_as":"usr_ann"`, ""},
		{"expired", "GET /protected", token(ann, authdtest.Expired()), 401, "Token has expired", `error_description="token expired"`},
		{"a wrong signature", "GET /protected", token(ann, authdtest.Tampered()), 401, "token invalid", `error="invalid_token"`},
		{"a refresh token", "GET /protected", token(ann, authdtest.RefreshToken()), 401, "token invalid", `error="invalid_token"`},
		{"for another API", "GET /protected", token(ann, authdtest.WrongAudience()), 401, "token invalid", `error="invalid_token"`},
		{"nothing that is a token", "GET /protected", "x.y.z", 401, "token invalid", `error="invalid_token"`},
		{"none", "GET /protected", "", 401, "Missing Authorization Header", `realm="` + audience + `"`},
		{"F-106, F-21: optional, none", "GET /hello", "", 200, "hello, nobody", ""},
		{"F-106, F-21: optional, good", "GET /hello", token(ann), 200, "hello, usr_ann", ""},
		{"F-106, F-21: optional, expired is not anonymous", "GET /hello", token(ann, authdtest.Expired()), 401, "Token has expired", "expired"},
		{"S0-20, F-05: what it says", "GET /token", token(ann, authdtest.ID("jti-1")), 200, `"jti":"jti-1"`, ""},
		{"open", "GET /recipes", "", 200, "kimchi", ""},
		{"the owner is a text", "POST /recipes", token(ann, authdtest.Scope("recipes:write")), 201, `"owner":"usr_ann"`, ""},
		{"a scope is missing", "POST /recipes", token(ann), 403, "insufficient_scope", `scope="recipes:write"`},
		{"F-107: a claim", "GET /admin", token(ann, authdtest.Claim("is_administrator", true)), 200, "usr_ann", ""},
		{"F-107: without the claim", "GET /admin", token(ann), 403, "access_denied", "realm"},
		{"F-107: a claim of another type", "GET /admin", token(ann, authdtest.Claim("is_administrator", "true")), 403, "access_denied", "realm"},
		{"fresh", "POST /password", token(ann, fresh), 200, "usr_ann", ""},
		{"not fresh", "POST /password", token(ann), 401, "Fresh token required", `max_age="0"`},
		{"signed in lately", "POST /payments", token(ann, authdtest.AuthTime(issuer.Now().Add(-time.Minute))), 200, "usr_ann", ""},
		{"signed in long ago", "POST /payments", token(ann, authdtest.AuthTime(issuer.Now().Add(-time.Hour))), 401, "Fresh token required", `max_age="900"`},
		{"S1-11, S4-16: the user", "GET /profile", token(ann), 200, `{"id":"usr_ann"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.route, " ")
			status, body, header := call(t, api.Client(), method, api.URL+path, tt.token)
			challenge := header.Get("WWW-Authenticate")
			if status != tt.status || !strings.Contains(body, tt.says) {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.says)
			}
			if !strings.Contains(challenge, tt.challenge) || (challenge == "") != (tt.challenge == "") {
				t.Errorf("got challenge %s, want %s", challenge, tt.challenge)
			}
		})
	}
}

// S1-19, S4-15: a user who is gone is refused, whatever the token says.
func TestClosedProfile(t *testing.T) {
	t.Parallel()
	issuer, api := application(t)
	token := issuer.Token(authdtest.Subject("usr_bob"), authdtest.Fresh())
	for _, step := range []struct {
		route  string
		status int
	}{{"GET", 200}, {"DELETE", 204}, {"GET", 401}, {"DELETE", 401}} {
		if status, body, _ := call(t, api.Client(), step.route, api.URL+"/profile", token); status != step.status {
			t.Errorf("%s: got %d %s, want %d", step.route, status, body, step.status)
		}
	}
}

// F-116, F-103: a page signs in, writes, refreshes and signs out, and no script of it ever has a token.
func TestSession(t *testing.T) {
	t.Parallel()
	issuer, api := application(t)
	ended := false
	issuer.Handle("/account/login", answerTokens(issuer, `"refresh-1"`))
	issuer.Handle(authdtest.TokenPath, answerTokens(issuer, `"refresh-2"`))
	issuer.Handle("/account/logout", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		ended = strings.Contains(string(body), "refresh-2")
		_, _ = io.WriteString(w, "{}")
	})
	page := api.Client()
	page.Jar, _ = cookiejar.New(nil)
	origin, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	csrf := func() string {
		for _, cookie := range page.Jar.Cookies(origin) {
			if cookie.Name == "csrf_token" {
				return cookie.Value
			}
		}
		return ""
	}
	post := func(path string, want int, headers ...string) {
		t.Helper()
		status, body, header := call(t, page, "POST", api.URL+path, "", append(headers, "Origin", api.URL)...)
		if status != want || strings.Contains(body, "eyJ") {
			t.Errorf("%s: got %d %s, want %d", path, status, body, want)
		}
		for _, cookie := range header.Values("Set-Cookie") {
			if strings.Contains(cookie, "_token=e") && !strings.Contains(cookie, "HttpOnly") {
				t.Errorf("scripts can read %s", cookie)
			}
		}
	}

	post("/session/recipes", 401)
	post("/session/login", 204)
	post("/session/recipes", 403)
	post("/session/recipes", 201, "X-CSRF-Token", csrf())
	post("/session/refresh", 204)
	post("/session/recipes", 201, "X-CSRF-Token", csrf())
	post("/session/logout", 204)
	post("/session/recipes", 401)
	post("/session/refresh", 401)
	if !ended {
		t.Error("the issuer was not told that the session ends")
	}
}

// answerTokens answers with an access token and that refresh token.
func answerTokens(issuer *authdtest.Issuer, refresh string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"`+issuer.Token()+`","refresh_token":`+refresh+`}`)
	}
}
