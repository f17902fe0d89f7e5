package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// browse USER FILE PATH opens PATH of the issuer in a browser of its own, fills in each form
// that comes with the password in the file, allows what is asked, and prints the last page, or
// where it would leave the issuer to.
func cmdBrowse(ts *testscript.TestScript, _ bool, args []string) {
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	transport := &http.Transport{DisableKeepAlives: true}
	b := scriptBrowser{ts.Getenv("AUTHD_ISSUER"), &http.Client{Transport: transport, Jar: jar}}
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), b.issuer) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	page, err := b.read(b.client.Get(b.issuer + args[2]))
	for range 2 { // to sign in, and to consent
		if err == nil && (strings.Contains(page, `name="password"`) || strings.Contains(page, `name="decision"`)) {
			page, err = b.submit(page, args[0], strings.TrimSpace(ts.ReadFile(args[1])))
		}
	}
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), page)
}

type scriptBrowser struct {
	issuer string
	client *http.Client
}

var (
	scriptAction = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	scriptHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

func (b scriptBrowser) submit(page, username, password string) (string, error) {
	form := url.Values{"username": {username}, "password": {password}, "decision": {"allow"}}
	for _, m := range scriptHidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	action := scriptAction.FindStringSubmatch(page)
	if action == nil {
		return "", fmt.Errorf("no form in %s", page)
	}
	return b.read(b.client.PostForm(b.issuer+html.UnescapeString(action[1]), form))
}

// read returns the page, or where a redirect leads.
func (scriptBrowser) read(r *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if to := r.Header.Get("Location"); to != "" {
		return to, err
	}
	return string(page), err
}
