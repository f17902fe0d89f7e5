package rs_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/go-authd/authd/rs"
)

// A web application whose pages and API are on one host: the token is in a cookie that no script can read, and what
// changes something must come from the application's own pages.
func ExampleCookies() {
	issuer := startIssuer()
	defer issuer.Close()
	v, err := rs.New(context.Background(), rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	key := make([]byte, 32) // from the configuration: all replicas have the same
	_, _ = rand.Read(key)
	cookies, err := rs.NewCookies(rs.CookieConfig{CSRFKeys: [][]byte{key}})
	if err != nil {
		fmt.Println(err)
		return
	}

	login := func(w http.ResponseWriter, r *http.Request) {
		token := issuer.token("orders:write") // what the issuer answers to the application's server
		t, err := v.Verify(r.Context(), token)
		if err == nil {
			err = cookies.SetTokenCookie(w, t)
		}
		if err != nil {
			http.Error(w, "login failed", http.StatusBadGateway)
		}
	}
	logout := func(w http.ResponseWriter, _ *http.Request) {
		cookies.ClearTokenCookies(w) // and revoke the token at the issuer
	}
	order := func(w http.ResponseWriter, r *http.Request) {
		t, _ := rs.FromContext(r.Context())
		fmt.Fprintf(w, "%s has ordered", t.Subject)
	}
	session := rs.From(rs.Cookie(cookies))
	mux := http.NewServeMux()
	// Without a token yet, the login is guarded by where it comes from alone.
	mux.Handle("POST /login", http.NewCrossOriginProtection().Handler(http.HandlerFunc(login)))
	mux.Handle("POST /orders", v.Required(session, rs.Scopes("orders:write"))(http.HandlerFunc(order)))
	mux.Handle("POST /logout", v.Required(session)(http.HandlerFunc(logout)))
	app := httptest.NewTLSServer(mux)
	defer app.Close()

	page := openPage(app)
	page.post("/orders")
	page.post("/login")
	page.post("/orders")
	page.scripted = false // as somebody else's page, which can send cookies and read none
	page.post("/orders")
	page.scripted = true
	page.post("/logout")
	page.post("/orders")
	// Output:
	// /orders: 401
	// /login: 200
	// /orders: 200 usr_1 has ordered
	// /orders: 403
	// /logout: 200
	// /orders: 401
}

// webPage is a page in a browser.
type webPage struct {
	*http.Client
	origin   *url.URL
	scripted bool // reads the CSRF cookie and sends it as a header, as fetch() would
}

func openPage(app *httptest.Server) *webPage {
	origin, err := url.Parse(app.URL)
	if err != nil {
		panic(err)
	}
	client := app.Client()
	client.Jar, _ = cookiejar.New(nil)
	return &webPage{client, origin, true}
}

func (p *webPage) post(path string) {
	req, _ := http.NewRequest(http.MethodPost, p.origin.JoinPath(path).String(), nil)
	for _, cookie := range p.Jar.Cookies(p.origin) {
		if cookie.Name == "__Host-csrf_token" && p.scripted {
			req.Header.Set("X-CSRF-Token", cookie.Value)
		}
	}
	resp, err := p.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		body = nil
	}
	fmt.Println(strings.TrimSpace(fmt.Sprintf("%s: %d %s", path, resp.StatusCode, body)))
}

// One route takes its token from the query, because a link to a download can send no header; the others do not.
func ExampleFrom() {
	issuer := startIssuer()
	defer issuer.Close()
	v, err := rs.New(context.Background(), rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	invoice := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "invoice, Cache-Control: %s", w.Header().Get("Cache-Control"))
	})
	mux := http.NewServeMux()
	mux.Handle("GET /invoice", v.Required(rs.Scopes("invoice:read"))(invoice))
	mux.Handle("GET /invoice/download", v.Required(rs.From(rs.Query("token")), rs.Scopes("invoice:read"))(invoice))
	api := httptest.NewServer(mux)
	defer api.Close()

	token := issuer.token("invoice:read")
	call(api.URL+"/invoice?token="+token, "")
	call(api.URL+"/invoice/download?token="+token, "")
	call(api.URL+"/invoice/download", token)
	// Output:
	// 401 Bearer realm="https://api.example.com"
	// 200 invoice, Cache-Control: private, no-store
	// 401 Bearer realm="https://api.example.com"
}
