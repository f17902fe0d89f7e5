package pages

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A-12, W-14 and the headers of each page.
func TestHeaders(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for _, view := range fullViews() {
		w := render(t, p, "ko", view)
		want := http.Header{
			"Content-Type":               {"text/html; charset=utf-8"},
			"Content-Language":           {"ko"},
			"Vary":                       {"Accept-Language"},
			"Cache-Control":              {"no-store"},
			"Content-Security-Policy":    {"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"},
			"Cross-Origin-Opener-Policy": {"unsafe-none"},
			"Referrer-Policy":            {"no-referrer"},
			"X-Content-Type-Options":     {"nosniff"},
			"X-Frame-Options":            {"DENY"},
			"Content-Length":             w.Header()["Content-Length"],
		}
		switch view.(type) {
		case Account:
			want.Set("Cross-Origin-Opener-Policy", "same-origin")
		case FormPost:
			want.Set("Content-Security-Policy", want.Get("Content-Security-Policy")+"; script-src 'self'")
		}
		if diff := cmp.Diff(want, w.Header()); diff != "" {
			t.Errorf("%T: -want +got\n%s", view, diff)
		}
	}
}

// W-07: Chromium would stop the redirect to the client.
func TestThePolicySaysNothingOfForms(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{policy, policyFormPost} {
		if strings.Contains(policy, "form-action") || strings.Contains(policy, "unsafe") {
			t.Error(policy)
		}
	}
}

func TestUILocalesGoesBeforeTheHeader(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for _, view := range fullViews() {
		v := reflect.New(reflect.TypeOf(view)).Elem()
		v.Set(reflect.ValueOf(view))
		field := v.FieldByName("UILocales")
		if _, account := view.(Account); account != !field.IsValid() {
			t.Fatalf("%T has no UILocales", view)
		} else if account { // it is of no request
			continue
		}
		field.SetString("ko")
		if w := render(t, p, "en", v.Interface().(View)); w.Header().Get("Content-Language") != "ko" {
			t.Errorf("%T is in %s", view, w.Header().Get("Content-Language"))
		}
	}
}

// Every branch of an override is tried when the server starts: a full view leaves nothing out.
func TestFullViewsAreFull(t *testing.T) {
	t.Parallel()
	if got, want := len(fullViews()), len(emptyViews()); got != want {
		t.Fatalf("%d full views, %d empty ones", got, want)
	}
	for i, view := range fullViews() {
		if reflect.TypeOf(view) != reflect.TypeOf(emptyViews()[i]) {
			t.Errorf("%T and %T", view, emptyViews()[i])
		}
		for field, v := range reflect.ValueOf(view).Fields() {
			if v.IsZero() && field.Name != "UILocales" {
				t.Errorf("%T.%s is not set", view, field.Name)
			}
		}
	}
}

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestOverride(t *testing.T) {
	t.Parallel()
	p := newPages(t, fstest.MapFS{
		"sign_in.html":     file(`<p>{{lang}} {{site}} {{.Client}} <img src="{{static "logo.png"}}">`),
		"static/style.css": file(`body { color: red }`),
		"static/logo.png":  file("png"),
		"notes.txt":        file("is no page, and nobody's business"),
	})

	own := render(t, p, "ko", SignIn{Client: "<Shop>"}).Body.String()
	if want := `<p>ko auth.example.com &lt;Shop&gt; <img src="/tenant/static/logo-`; !strings.HasPrefix(own, want) {
		t.Errorf("%s, want %s…", own, want)
	}
	other := render(t, p, "en", SignedOut{}).Body.String()
	if !strings.Contains(other, "You are signed out") {
		t.Error("the pages that are not overridden changed")
	}
	for _, link := range elements(parse(t, other), "link") {
		if rel, _ := attr(link, "rel"); rel == "stylesheet" {
			href, _ := attr(link, "href")
			if got := get(p, href).Body.String(); got != `body { color: red }` {
				t.Errorf("style sheet: %s", got)
			}
		}
	}
}

func TestOverrideOfTheLayoutReachesEveryPage(t *testing.T) {
	t.Parallel()
	p := newPages(t, fstest.MapFS{"layout.html": file(`{{define "layout"}}<h6>Acme</h6>{{template "main" .}}{{end}}
{{define "named"}}{{.Before}}{{.Name}}{{.After}}{{end}}{{define "problem"}}{{.}}{{end}}{{define "invalid"}}{{end}}`)})

	for _, view := range fullViews() {
		if page := render(t, p, "en", view).Body.String(); !strings.Contains(page, "<h6>Acme</h6>") {
			t.Errorf("%T: %s", view, page)
		}
	}
}

// unreadable is a file that is there and cannot be read.
type unreadable struct{ fstest.MapFS }

func (u unreadable) ReadFile(name string) ([]byte, error) {
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrPermission}
}

func TestAnOverrideThatIsBrokenFailsAtTheStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fs   fs.FS
		want string // in the error
	}{
		{"it does not parse", fstest.MapFS{"consent.html": file("\n{{if}}")}, "consent.html:2"},
		{"it shows a field that the view does not have", fstest.MapFS{"consent.html": file("{{.Nothing}}")}, "consent.html:1"},
		{"so, but in a branch that few come to", fstest.MapFS{"sign_in.html": file(`{{if .Problem}}{{.Nothing}}{{end}}`)}, "sign_in.html:1"},
		{"so, but only for a view with nothing", fstest.MapFS{"consent.html": file(`{{if not .Scopes}}{{index .Scopes 0}}{{end}}`)}, "consent.html:1"},
		{"it would put a text where it cannot be escaped", fstest.MapFS{"error.html": file(`<script>var x = {{.Code}}/{{end}}`)}, "error.html"},
		{"it asks for a text that is not there", fstest.MapFS{"account.html": file(`{{t "no.text"}}`)}, "account.html:1"},
		{"it asks for a file that is not there", fstest.MapFS{"account.html": file(`{{static "no.css"}}`)}, "account.html:1"},
		{"it uses a part that nobody defined", fstest.MapFS{"register.html": file(`{{template "nobody"}}`)}, "register.html"},
		{"the layout is broken", fstest.MapFS{"layout.html": file(`{{define "layout"}}{{.Nothing}}{{end}}`)}, "layout.html:1"},
		{"its name is misspelt", fstest.MapFS{"signin.html": file("x")}, "signin.html: there is no such page; there are account.html"},
		{"it cannot be read", unreadable{fstest.MapFS{"error.html": file("x")}}, "read error.html"},
		{"a file of static cannot be read", unreadable{fstest.MapFS{"static/style.css": file("x")}}, "read static/style.css"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			_, err := New(issuer, tt.fs)

			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "templates: ") {
				t.Errorf("%v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestAPageThatFailsIsNotBegun(t *testing.T) {
	t.Parallel()
	p := newPages(t, fstest.MapFS{"sign_in.html": file(`half a page {{if eq .Client "boom"}}{{index .Client 9}}{{end}}`)})
	w := httptest.NewRecorder()

	err := p.Render(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusOK, SignIn{Client: "boom"})

	if err == nil || w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("%v, %q, %v", err, w.Body, w.Header())
	}
}

func TestAnIssuerThatIsNoURLIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := New("https://a b", nil); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func get(p *Pages, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestStatic(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	style, err := p.static.url("style.css")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml", "form-post.js": "text/javascript; charset=utf-8",
	} {
		path, err := p.static.url(name)
		if err != nil {
			t.Fatal(err)
		}
		w := get(p, path)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != want || h.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
	}
	for _, path := range []string{
		"/tenant/static/", "/tenant/static/style.css", "/tenant/static/other-0123456789ab.css", "/tenant/static/-.css", "/tenant/static/../pages.go",
	} {
		if w := get(p, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	// Another version's page, while servers are being replaced.
	w := get(p, "/tenant/static/style-0123456789ab.css")
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Body.String() != get(p, style).Body.String() {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
