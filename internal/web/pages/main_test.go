package pages

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

const issuer = "https://auth.example.com/tenant"

func newPages(t testing.TB, override fs.FS) *Pages {
	t.Helper()
	p, err := New(issuer, override)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// render returns the answer to a GET with that Accept-Language.
func render(t testing.TB, p *Pages, accept string, v View) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", accept)
	w := httptest.NewRecorder()
	if err := p.Render(w, r, http.StatusOK, v); err != nil {
		t.Fatal(err)
	}
	return w
}

func parse(t testing.TB, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// elements returns the elements of one name below n, or all for "", in document order.
func elements(n *html.Node, name string) (all []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && (name == "" || d.Data == name) {
			all = append(all, d)
		}
	}
	return all
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text returns what a person reads of n.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
