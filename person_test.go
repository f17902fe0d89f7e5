package authd_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
)

const appCallback = "https://app.example.com/cb"

// person is somebody with a browser, which keeps cookies and follows no redirect by itself.
type person struct {
	*harness
	browser *http.Client
	headers map[string]string // sent with each request
}

// withPages is a server with sign-in in the browser, the public client app and the user ada.
func withPages(t *testing.T) *harness {
	t.Helper()
	return withPagesAnd(t, func(*authd.Config) {})
}

func withPagesAnd(t *testing.T, change func(*authd.Config)) *harness {
	t.Helper()
	h := newHarness(t, func(c *authd.Config) {
		c.SignInPages = true
		change(c)
	})
	h.client(authd.Client{
		ID: "app", AuthMethod: "none", Name: `<b>"Shop" & Söhne</b>`, Scopes: []string{"read", "write"}, RedirectURIs: []string{appCallback},
	})
	for _, name := range []string{"ada", "bob"} {
		if _, err := h.server.CreateUser(t.Context(), authd.NewUser{Username: name, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *harness) person() *person {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &person{harness: h, browser: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p *person) send(method, path string, form url.Values) answer {
	p.t.Helper()
	contentType := ""
	if form != nil {
		contentType = "application/x-www-form-urlencoded"
	}
	r := p.request(method, path, contentType, form.Encode())
	for name, value := range p.headers {
		r.Header.Set(name, value)
	}
	return p.via(r)
}

// via is [harness.do] with the browser's cookies.
func (p *person) via(r *http.Request) answer {
	p.t.Helper()
	res, err := p.browser.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
}

func (p *person) open(path string) answer { p.t.Helper(); return p.send(http.MethodGet, path, nil) }

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
)

// fields are the hidden ones of the page's first form.
func fields(a answer) url.Values {
	v := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(a.raw, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// submit sends the page's form, with pairs of names and values beside the hidden ones.
func (p *person) submit(page answer, pairs ...string) answer {
	p.t.Helper()
	action := formAction.FindStringSubmatch(page.raw)
	if action == nil {
		p.t.Fatalf("no form: %d %s", page.status, page.raw)
	}
	v := fields(page)
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return p.send(http.MethodPost, html.UnescapeString(action[1]), v)
}

// follow opens where a redirect of our own leads.
func (p *person) follow(a answer) answer {
	p.t.Helper()
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
		p.t.Fatalf("no redirect to a page of ours: %d to %q %s", a.status, to, a.raw)
	}
	return p.open(to)
}

// back reads the answer that the client gets.
func (p *person) back(a answer) url.Values {
	p.t.Helper()
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(to, appCallback+"?") {
		p.t.Fatalf("no redirect to the client: %d to %q %s", a.status, to, a.raw)
	}
	u, err := url.Parse(to)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query()
}

// config is of client app, with golang.org/x/oauth2, which nobody here wrote.
func (h *harness) config(scopes ...string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: "app", RedirectURL: appCallback, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: "/oauth2/authorize", TokenURL: h.http.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// request is what the client asks for; state and verifier are its own.
func authorizeURL(h *harness, state, verifier string, more ...oauth2.AuthCodeOption) string {
	return h.config("read").AuthCodeURL(state, append(more, oauth2.S256ChallengeOption(verifier))...)
}

func (p *person) base() *url.URL {
	p.t.Helper()
	u, err := url.Parse(p.http.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

// signedIn goes as far as the consent page.
func (p *person) signedIn(name string) (consent answer) {
	p.t.Helper()
	page := p.follow(p.open(authorizeURL(p.harness, "s", strings.Repeat("v", 43))))
	return p.follow(p.submit(page, "username", name, "password", password))
}
