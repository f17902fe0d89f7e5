package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-authd/authd/internal/oauth"
)

var allowedDescription = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`)

// Whatever comes in, it is answered as RFC 6749 §5 has it, and never with 5xx.
func FuzzTokenEndpoint(f *testing.F) {
	f.Add(formType, "Basic c2hvcDpzM2NyZXQ=", "grant_type=client_credentials&scope=a%20b")
	f.Add(formType, "", "grant_type=refresh_token&refresh_token=rt&client_id=app")
	f.Add(formType, "Basic eDp5", "grant_type=\"\\%22%5c&scope=\"")
	f.Add("application/json", "Bearer x", `{"grant_type":"client_credentials"}`)
	f.Add(formType+"; charset=utf-8", "Basic", "a=%00&a=%ff;&&=")
	h := newServer(f, config(services{})).Handler()
	f.Fuzz(func(t *testing.T, contentType, authorization, body string) {
		for _, fake := range []string{"storage", "late", "bug", "panic", "nil"} { // what the fakes answer with 5xx
			if strings.Contains(body, fake) {
				return
			}
		}
		r := httptest.NewRequest("POST", "/oauth2/token", strings.NewReader(body))
		r.Header["Content-Type"], r.Header["Authorization"] = []string{contentType}, []string{authorization}
		w := httptest.NewRecorder()

		h.ServeHTTP(w, r)

		checkTokenAnswer(t, w)
	})
}

func checkTokenAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 500 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	body, err := oauth.DecodeClaims(w.Body.Bytes())
	if err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if w.Code == http.StatusOK {
		if body["token_type"] != "Bearer" || body["access_token"] == "" {
			t.Fatalf("got %s", w.Body)
		}
		return
	}
	description, _ := body["error_description"].(string)
	if body["error"] == "" || body["error_id"] == "" || !allowedDescription.MatchString(description) {
		t.Fatalf("got %s", w.Body)
	}
	if (w.Code == http.StatusUnauthorized) != (w.Header().Get("WWW-Authenticate") != "") {
		t.Fatalf("got %d with challenge %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
}

// What is read of a body is what every other reader of JSON reads in it.
func FuzzAccountJSON(f *testing.F) {
	f.Add(`{"client_id":"app","username":"alice","password":"x","expires_in":60}`)
	f.Add(`{"username":"a","username":"b"}`)
	f.Add(`{"username":"\ud83d\ude00","password":"\u0000","scope":null} `)
	f.Add(`{"user\u006eame":"a","expires_in":1e400}`)
	f.Add(`[{"username":1}]`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseMembers([]string{"application/json"}, []byte(body))
		if err != nil {
			return
		}

		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("accepted what is no JSON object: %v", err)
		}
		for name, value := range got {
			var s string
			if name == "expires_in" {
				s = string(want[name])
			} else if err := json.Unmarshal(want[name], &s); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if s != value {
				t.Fatalf("%s: read %q, want %q", name, value, s)
			}
			if name != "password" && name != "new_password" && !oauth.IsText(value) {
				t.Fatalf("%s: %q was let through", name, value)
			}
		}
	})
}
