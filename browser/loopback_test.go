package browser

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/go-authd/authd"
)

// A developer's machine has no TLS: an http issuer on localhost, and a native app that
// listens on a loopback port (RFC 8252 §7.3), which is seen each time (§8.6).
func TestAnIssuerOnLocalhost(t *testing.T) {
	t.Parallel()
	web, app := unencrypted(t), unencrypted(t)
	at, appAt := "http://localhost:"+port(web), "http://127.0.0.1:"+port(app)
	var s stack
	t.Cleanup(s.unwind)
	server, err := serve(chromium, &s, database.Config().ConnString(), at)
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = server
	web.Start()
	cli, err := newClient(t.Context(), authd.Client{
		ID: newName("cli"), Name: "The Tool", AuthMethod: "none", Scopes: []string{"openid"}, RedirectURIs: []string{"http://127.0.0.1/callback"},
	}, at, appAt, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	app.Config.Handler = cli
	app.Start()
	p := newPerson(t)

	for _, signedIn := range []bool{false, true} {
		v, address := cli.begin([]string{"openid"}, nil)
		p.visit(address)
		if !signedIn {
			p.see("Sign in")
			p.signIn(password)
		}
		p.see("Allow The Tool access to your account?")
		p.decide("allow")
		p.see("Welcome")
		p.at(appAt, "/callback")
		p.reads(p.subject)
		v.answer(t)
	}

	var names []string
	for _, c := range p.cookies(at) {
		names = append(names, c.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"authd_browser", "authd_session"}) {
		t.Errorf("cookies %q", names)
	}
	p.visit(evilAt + "/form?" + url.Values{"url": {at + "/login"}}.Encode())
	p.click("button")
	p.see("This request was stopped") // a browser trusts localhost, and says where forms come from
}

// unencrypted has a port of this machine, and is not started yet.
func unencrypted(t *testing.T) *httptest.Server {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	t.Cleanup(web.Close)
	return web
}

func port(web *httptest.Server) string {
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String()) // which it made itself
	return port
}
