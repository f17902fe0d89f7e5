package oauth

import (
	"strings"
	"testing"
)

// A-04, RFC 9700 §2.6: what must not be registered.
func TestCheckRedirectURI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, uri string
		ok        bool
	}{
		{"https", "https://app.example.com/cb", true},
		{"https with a query", "https://app.example.com/cb?x=1", true},
		{"http to a loopback address, RFC 8252 §7.3", "http://127.0.0.1/cb", true},
		{"http to the IPv6 loopback address", "http://[::1]:4711/cb", true},
		{"http to localhost", "http://localhost:3000/cb", true},
		{"a scheme of one's own domain, RFC 8252 §7.1", "com.example.app:/cb", true},
		{"http to anywhere else", "http://app.example.com/cb", false},
		{"http to a host that begins like a loopback address", "http://127.0.0.1.evil.example/cb", false},
		{"a fragment, RFC 6749 §3.1.2", "https://app.example.com/cb#x", false},
		{"an empty fragment", "https://app.example.com/cb#", false},
		{"a wildcard", "https://*.example.com/cb", false},
		{"a wildcard in the path", "https://app.example.com/*", false},
		{"relative", "/cb", false},
		{"without a scheme", "//app.example.com/cb", false},
		{"without a host", "https:///cb", false},
		{"user information", "https://good@evil.example/cb", false},
		{"javascript:", "javascript:alert(1)", false},
		{"JaVaScRiPt:", "JaVaScRiPt:alert(1)", false},
		{"data:", "data:text/html,x", false},
		{"vbscript:", "vbscript:x", false},
		{"a scheme without a dot", "myapp:/cb", false},
		{"longer than 2 KiB", "https://app.example.com/" + strings.Repeat("x", 2048), false},
		{"a backslash", `https://app.example.com\@evil.example/`, false},
		{"a newline", "https://app.example.com/cb\r\nSet-Cookie:a=b", false},
		{"no ASCII", "https://app.example.com/é", false},
		{"a parameter of an answer, A-19", "https://app.example.com/cb?code=evil", false},
		{"state, with other parameters", "https://app.example.com/cb?x=1&state=evil", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if err := CheckRedirectURI(tt.uri); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// OIDC Back-Channel Logout §2.2: an absolute URI, with a query maybe, and without a fragment.
func TestCheckBackchannelLogoutURI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, uri string
		ok        bool
	}{
		{"https", "https://app.example.com/ended", true},
		{"https with a port and a query", "https://app.example.com:8443/ended?code=1", true},
		{"http to a loopback address", "http://127.0.0.1:4711/ended", true},
		{"http to the IPv6 loopback address", "http://[::1]:4711/ended", true},
		{"http to localhost", "http://localhost/ended", true},
		{"http to anywhere else", "http://app.example.com/ended", false},
		{"http to a private address", "http://10.0.0.1/ended", false},
		{"a scheme of one's own domain, which nobody can be told by", "com.example.app:/ended", false},
		{"a fragment", "https://app.example.com/ended#x", false},
		{"an empty fragment", "https://app.example.com/ended#", false},
		{"user information", "https://ada:secret@app.example.com/ended", false},
		{"a zone", "https://[fe80::1%25eth0]/ended", false},
		{"without a host", "https:///ended", false},
		{"opaque", "https:app.example.com", false},
		{"relative", "/ended", false},
		{"longer than 2 KiB", "https://app.example.com/" + strings.Repeat("x", 2048), false},
		{"a newline", "https://app.example.com/\r\nHost:evil", false},
		{"a backslash", `https://app.example.com\@evil.example/`, false},
		{"file", "file:///etc/passwd", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if err := CheckBackchannelLogoutURI(tt.uri); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// RFC 9700 §2.1: exact, but for the port of a loopback address (RFC 8252 §7.3).
func TestMatchRedirectURI(t *testing.T) {
	t.Parallel()
	const web, loopback, six, local = "https://app.example.com/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost:3000/cb"
	tests := []struct {
		name, registered, uri string
		want                  bool
	}{
		{"the same", web, web, true},
		{"one parameter more, A-19", web, web + "&code=evil", false},
		{"a slash more", "https://app.example.com", "https://app.example.com/", false},
		{"another case of the host", web, "https://APP.example.com/cb?x=1", false},
		{"the default port", web, "https://app.example.com:443/cb?x=1", false},
		{"another port of https", web, "https://app.example.com:8443/cb?x=1", false},
		{"a dot segment", web, "https://app.example.com/a/../cb?x=1", false},
		{"an escaped path", web, "https://app.example.com/%63b?x=1", false},
		{"user information", web, "https://app.example.com@evil.example/cb?x=1", false},
		{"any port of a loopback address", loopback, "http://127.0.0.1:49152/cb", true},
		{"no port where one is registered", six, "http://[::1]/cb", true},
		{"another port of the IPv6 loopback address", six, "http://[::1]:65535/cb", true},
		{"another port of localhost", local, "http://localhost:3001/cb", true},
		{"port 0", loopback, "http://127.0.0.1:0/cb", false},
		{"a port out of range", loopback, "http://127.0.0.1:65536/cb", false},
		{"an empty port", loopback, "http://127.0.0.1:/cb", false},
		{"a signed port", loopback, "http://127.0.0.1:+80/cb", false},
		{"user information before the port", loopback, "http://127.0.0.1:80@evil.example/cb", false},
		{"another host behind the port", loopback, "http://127.0.0.1:80.evil.example/cb", false},
		{"another loopback address", loopback, "http://127.0.0.2:49152/cb", false},
		{"localhost for its address", loopback, "http://localhost/cb", false},
		{"another path", loopback, "http://127.0.0.1:49152/cb2", false},
		{"https for http", loopback, "https://127.0.0.1:49152/cb", false},
		{"IPv6 without brackets", six, "http://::1/cb", false},
		{"a scheme in capitals", loopback, "HTTP://127.0.0.1:49152/cb", false},
		{"nothing", loopback, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if got := MatchRedirectURI([]string{"https://other.example/", tt.registered}, tt.uri); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// What matches could have been registered, but for the port.
func FuzzMatchRedirectURI(f *testing.F) {
	f.Add("http://127.0.0.1/cb", "http://127.0.0.1:80/cb")
	f.Add("http://[::1]:1", "http://[::1]:2")
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if CheckRedirectURI(registered) != nil || !MatchRedirectURI([]string{registered}, uri) {
			return
		}
		if err := CheckRedirectURI(uri); err != nil && len(uri) <= maxRedirectURI {
			t.Errorf("%q is for %q, and could not be registered: %v", registered, uri, err)
		}
	})
}
