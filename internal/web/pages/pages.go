// Package pages is what people see of the authorization server: sign in, consent, account
// and the rest, in English and Korean, as plain HTML that needs no script.
//
// A handler fills a view and renders it; it never sees a template:
//
//	err := p.Render(w, r, http.StatusOK, pages.SignIn{Action: …, FormToken: …})
//
// Every form is a POST to the view's Action with [FieldToken] in it, and [FieldRequest] where
// the view has a Request. The names of the other fields are constants beside these. A host
// replaces a page by a file of the same name:
//
//	layout.html    the frame of all pages: "layout", and the parts "named" and "problem"
//	sign_in.html consent.html register.html account.html
//	sign_out.html signed_out.html error.html form_post.html
//	static/…       style.css, icon.svg, form-post.js, and files of the host, as a logo
//
// A page is given its view, whose exported fields and methods are what a template may use,
// and these functions: t and around look up a text, problem and scope describe, lang names
// the language, site the host of the issuer, static the address of a file of static/, ago
// and date tell a time, agent a user agent.
//
// What a client or a person named themselves is bounded and cleaned before a template sees
// it: no control characters, nothing that changes the direction of the text around it.
package pages

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
)

// Pages renders the pages. It is safe for concurrent use.
type Pages struct {
	site      string // host of the issuer
	static    *static
	templates map[string]map[string]*template.Template // by language and name of the page
}

// New reads the templates: those of override where it has one of that name, else its own.
// override may be nil. The issuer's path is where [Pages.Static] is mounted.
//
// Every page is executed once in each language, so that an override that does not work fails
// here; the error names its file. So does a file at the root of override that is no page.
func New(issuer string, override fs.FS) (*Pages, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	files, err := load(override)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	p := &Pages{site: u.Host, static: newStatic(u.Path+StaticPath, files.static)}
	if p.templates, err = p.parse(files.pages); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if err := p.rehearse(); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return p, nil
}

// Render answers with the page of view, in the language that ui_locales or Accept-Language
// ask for. On an error nothing has been written: the page is made whole before it is sent.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, view View) error {
	page := view.page()
	lang := choose(page.uiLocales, r.Header.Values("Accept-Language"))
	body, err := p.execute(lang, page)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	setHeaders(w.Header(), lang, page)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever is gone needs no page
	return nil
}

func (p *Pages) execute(lang string, page page) ([]byte, error) {
	var b bytes.Buffer
	if err := p.templates[lang][page.name].Execute(&b, page.data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

const (
	// There is no form-action: Chromium holds the redirect that follows a form to it, and
	// that leads to the client. default-src does not stand for it.
	policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
	// The page that posts the response to the client presses its own button.
	policyFormPost = policy + "; script-src 'self'"
)

func setHeaders(h http.Header, lang string, page page) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Add("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	if page.name == formPostPage {
		h.Set("Content-Security-Policy", policyFormPost)
	}
	h.Set("Cross-Origin-Opener-Policy", page.opener())
	h.Set("Referrer-Policy", "no-referrer") // RFC 9700 §4.2.4
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}
