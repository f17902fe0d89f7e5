package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
)

// browsing has one request, parked for the browser that asks, and ada's session.
type browsing struct {
	Browsing
	seen *grants.Browser
	err  error
}

var (
	parkedID = strings.Repeat("r", 42) + "0"
	adas     = strings.Repeat("s", 42) + "0"
)

func (b browsing) Authorize(_ context.Context, _ string, from grants.Browser) (grants.Next, error) {
	*b.seen = from
	return grants.Next{Step: grants.StepSignIn, ID: parkedID, Client: &oauth.Client{ID: "app"}}, b.err
}

func (b browsing) Resume(_ context.Context, _ string, from grants.Browser) (grants.Next, error) {
	*b.seen = from
	return grants.Next{Step: grants.StepSignIn, ID: parkedID, Client: &oauth.Client{ID: "app"}}, b.err
}

func (b browsing) SignInBrowser(_ context.Context, _ string, from grants.Browser, _, _ string) (grants.Next, string, error) {
	*b.seen = from
	return grants.Next{Step: grants.StepConsent, ID: parkedID}, adas, b.err
}

func browserServer(t *testing.T, issuer string) (http.Handler, *grants.Browser) {
	t.Helper()
	cfg := config(services{})
	seen := new(grants.Browser)
	cfg.Issuer, cfg.Browsing = issuer, browsing{seen: seen}
	return newServer(t, cfg).Handler(), seen
}

// W-01: a cookie that only this host can set, that no script reads, and that goes over TLS.
func TestCookies(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, issuer, path, browser, session string }{
		{"over TLS", issuer, "", "__Host-authd_browser=", "__Host-authd_session="},
		{"issuers on one host have their own", issuer + "/tenant", "/tenant", "__Host-authd_browser_", "__Host-authd_session_"},
		{"a developer's machine", "http://localhost:8080", "", "authd_browser=", "authd_session="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, _ := browserServer(t, tt.issuer)
			begun := send(h, http.MethodGet, tt.path+"/oauth2/authorize?client_id=app").Result()
			id := begun.Cookies()[0]
			form := url.Values{
				"request": {parkedID}, "form_token": {formToken(id.Value, "/login", parkedID)}, "username": {"ada"}, "password": {"x"},
			}

			signedIn := post(h, tt.path+"/login", formType, form.Encode(), "Cookie", id.Name+"="+id.Value).Result()

			for name, r := range map[string]*http.Response{tt.browser: begun, tt.session: signedIn} {
				got := r.Header.Get("Set-Cookie")
				secure := strings.HasPrefix(tt.issuer, "https")
				if !strings.HasPrefix(got, name) || !strings.Contains(got, "; Path=/; HttpOnly") || !strings.HasSuffix(got, "; SameSite=Lax") ||
					strings.Contains(got, "Domain") || strings.Contains(got, "; Secure") != secure {
					t.Errorf("cookie %s", got)
				}
				if to := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, tt.path+"/") {
					t.Errorf("%d to %s, want 303 to a page under %q", r.StatusCode, to, tt.path)
				}
			}
		})
	}
}

// B-11: a browser in which somebody has signed in keeps its cookie, so that it is known the next
// time; the session ends with it. Where no password is kept here nobody is throttled, either.
func TestKnownBrowserKeepsItsCookie(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		cfg := config(services{})
		cfg.Browsing, cfg.Passwords = browsing{seen: new(grants.Browser)}, nil
		if own {
			cfg.Passwords = struct{ Passwords }{}
		}
		h := newServer(t, cfg).Handler()
		form := url.Values{"request": {parkedID}, "form_token": {formToken(adas, "/login", parkedID)}, "username": {"ada"}, "password": {"x"}}

		cookies := post(h, "/login", formType, form.Encode(), "Cookie", "__Host-authd_browser="+adas).Result().Cookies()

		if len(cookies) == 0 || cookies[0].Name != "__Host-authd_session" || cookies[0].MaxAge != 0 {
			t.Fatalf("cookies %v, want the session's first", cookies)
		}
		kept := len(cookies) == 2 && cookies[1].Name == "__Host-authd_browser" && cookies[1].Value == adas && cookies[1].MaxAge == 90*24*60*60 &&
			cookies[1].Secure && cookies[1].HttpOnly
		if kept != own {
			t.Errorf("own passwords: %t, cookies %v", own, cookies)
		}
	}
}

// The pages find their stylesheet, also where the issuer has a path.
func TestStaticFiles(t *testing.T) {
	t.Parallel()
	style := regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)"`)
	for _, path := range []string{"", "/tenant"} {
		h, _ := browserServer(t, issuer+path)
		page := send(h, http.MethodGet, path+"/login?request="+parkedID)
		href := style.FindStringSubmatch(page.Body.String())
		if href == nil || !strings.HasPrefix(href[1], path+"/static/") {
			t.Fatalf("under %q: stylesheet %v", path, href)
		}

		w := send(h, http.MethodGet, href[1])

		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", href[1], w.Code, w.Header())
		}
		if w := send(h, http.MethodGet, path+"/static/../login"); w.Code == http.StatusOK {
			t.Errorf("a path out of static: %d", w.Code)
		}
	}
}

// W-11: what cannot be ours, or could be somebody else's, is as no cookie.
func TestStrangeCookies(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, cookies, want string }{
		{"one", "__Host-authd_session=" + adas, adas},
		{"two of one name", "__Host-authd_session=" + adas + "; __Host-authd_session=" + parkedID, ""},
		{"one without the prefix, as a subdomain could set it", "authd_session=" + adas, ""},
		{"too short", "__Host-authd_session=" + adas[1:], ""},
		{"8 KiB", "__Host-authd_session=" + strings.Repeat("s", 8<<10), ""},
		{"other bytes", "__Host-authd_session=" + strings.Repeat("é", 21) + "0", ""},
		{"empty", "__Host-authd_session=", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, seen := browserServer(t, issuer)
			r := httptest.NewRequest(http.MethodGet, "/login?request="+parkedID, nil)
			r.Header.Set("Cookie", tt.cookies)
			w := httptest.NewRecorder()

			h.ServeHTTP(w, r)

			if w.Code != http.StatusOK || seen.Session != tt.want {
				t.Errorf("%d, session %q, want %q", w.Code, seen.Session, tt.want)
			}
		})
	}
}

// W-03, W-18: no form of another site is let through, on any path and however it is written.
func TestCrossSiteForms(t *testing.T) {
	t.Parallel()
	s := newServer(t, everyPage())
	forms := 0
	for _, rt := range s.pageRoutes() {
		if rt.method != http.MethodPost {
			continue
		}
		forms++
		for _, query := range []string{"", "?request=x", "?a=%2F..%2F"} {
			for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
				if w := post(s.Handler(), rt.path+query, formType, "request=x", header...); w.Code != http.StatusForbidden {
					t.Errorf("%s%s with %v: got %d, want 403", rt.path, query, header, w.Code)
				}
			}
		}
	}
	if forms < 5 {
		t.Errorf("only %d forms", forms)
	}
}

// A form token is of one browser or session, one form and one request.
func TestFormToken(t *testing.T) {
	t.Parallel()
	good := formToken("cookie", "/login", "r")
	tests := []struct {
		name                      string
		got, secret, form, parked string
		want                      bool
	}{
		{"its own", good, "cookie", "/login", "r", true},
		{"another browser's", good, "other", "/login", "r", false},
		{"another form's", good, "cookie", "/consent", "r", false},
		{"another request's", good, "cookie", "/login", "r2", false},
		{"none", "", "cookie", "/login", "r", false},
		{"of a browser without a cookie", formToken("", "/login", "r"), "", "/login", "r", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if got := isFormToken(tt.got, tt.secret, tt.form, tt.parked); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// Faults are pages, too: with the status and Retry-After that programs get, and no word of
// what went wrong.
func TestFaultsArePages(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Browsing = browsing{seen: new(grants.Browser), err: errStorage}

	w := send(newServer(t, cfg).Handler(), http.MethodGet, "/oauth2/authorize?client_id=app")

	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "hunter2") ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}
