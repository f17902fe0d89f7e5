package authd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-authd/authd"
)

// H-20, D-17: nobody but a trusted proxy says which address a request came from.
func TestDeviceAddress(t *testing.T) {
	t.Parallel()
	const proxy, stranger = "10.0.0.7:4711", "203.0.113.66:4711"
	forged := http.Header{
		"X-Forwarded-For": {"198.51.100.1"}, "X-Real-Ip": {"198.51.100.1"}, "True-Client-Ip": {"198.51.100.1"}, "Forwarded": {"for=198.51.100.1"},
	}
	tests := []struct {
		name   string
		header string // "": the peer's address
		peer   string
		sent   http.Header
		want   string // "": none
	}{
		{"the peer, whatever the headers say", "", stranger, forged, "203.0.113.66"},
		{"a peer in IPv6, without its zone", "", "[fe80::1%eth0]:4711", nil, "fe80::1"},
		{"the header of a trusted proxy", "X-Real-IP", proxy, http.Header{"X-Real-Ip": {"198.51.100.1"}}, "198.51.100.1"},
		{"the header of a stranger is not read", "X-Real-IP", stranger, forged, "203.0.113.66"},
		{"another header than the chosen one is not read", "X-Real-IP", proxy, http.Header{"X-Forwarded-For": {"198.51.100.1"}}, ""},
		{"a line that the client sent stands before the proxy's", "X-Real-IP", proxy, http.Header{"X-Real-Ip": {"198.51.100.1", "192.0.2.7"}}, "192.0.2.7"},
		{"what is no address is none", "X-Real-IP", proxy, http.Header{"X-Real-Ip": {"unknown"}}, ""},
		{"a list of a client's making is not read past the proxy's entry", "X-Forwarded-For", proxy, http.Header{"X-Forwarded-For": {"198.51.100.1, 192.0.2.7"}}, "192.0.2.7"},
		{"trusted proxies in the list are passed over", "X-Forwarded-For", proxy, http.Header{"X-Forwarded-For": {"198.51.100.1, 192.0.2.7, 10.1.2.3"}}, "192.0.2.7"},
		{"a trusted proxy's address in another notation is one", "X-Forwarded-For", proxy, http.Header{"X-Forwarded-For": {"192.0.2.7, ::ffff:10.1.2.3"}}, "192.0.2.7"},
		{"garbage in the list ends it", "X-Forwarded-For", proxy, http.Header{"X-Forwarded-For": {"198.51.100.1, garbage, 10.1.2.3"}}, ""},
		{"the list of a stranger is not read", "X-Forwarded-For", stranger, forged, "203.0.113.66"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			device := authd.PeerDevice
			if tt.header != "" {
				var err error
				if device, err = authd.ProxiedDevice(tt.header, netip.MustParsePrefix("10.0.0.0/8")); err != nil {
					t.Fatal(err)
				}
			}
			r := httptest.NewRequest(http.MethodPost, "/oauth2/token", nil)
			r.RemoteAddr = tt.peer
			r.Header = tt.sent.Clone()
			if r.Header == nil {
				r.Header = make(http.Header)
			}
			r.Header.Set("User-Agent", "tests/1.0")

			got := device(r)

			want := authd.Device{UserAgent: "tests/1.0"}
			if tt.want != "" {
				want.Address = netip.MustParseAddr(tt.want)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestProxiedDeviceRefuses(t *testing.T) {
	t.Parallel()
	anywhere := netip.MustParsePrefix("10.0.0.0/8")
	tests := []struct {
		name, header string
		proxies      []netip.Prefix
	}{
		{"a header that everybody may set", "X-Forwarded-For", nil},
		{"no header", "", []netip.Prefix{anywhere}},
		{"a header with a colon", "X-Real-IP:", []netip.Prefix{anywhere}},
		{"a network that is none", "X-Real-IP", []netip.Prefix{{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := authd.ProxiedDevice(tt.header, tt.proxies...); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// kept is what stands in the one family's row.
func (h *harness) kept() string {
	h.t.Helper()
	var first, last string
	err := h.pool.QueryRow(h.t.Context(), `
select coalesce(host(first_address), '-') || ' ' || coalesce(first_user_agent, '-'),
  coalesce(host(last_address), '-') || ' ' || coalesce(last_user_agent, '-')
from authd.token_families`).Scan(&first, &last)
	if err != nil {
		h.t.Fatal(err)
	}
	return first + " / " + last
}

// by sends a sign-in or a refresh as a program that calls itself so.
func (h *harness) by(userAgent, path, contentType, body string) answer {
	h.t.Helper()
	r := h.request(http.MethodPost, path, contentType, body)
	r.Header.Set("User-Agent", userAgent)
	return h.do(r)
}

func (h *harness) signInBy(userAgent, username string) answer {
	h.t.Helper()
	return h.by(userAgent, "/account/login", "application/json", `{"client_id":"app","username":"`+username+`","password":"`+password+`"}`).want(h.t, 200, "")
}

func (h *harness) refreshBy(userAgent, token string) answer {
	h.t.Helper()
	return h.by(userAgent, "/oauth2/token", "application/x-www-form-urlencoded", "grant_type=refresh_token&client_id=app&refresh_token="+token)
}

// people registers the public first-party client app and users with the usual password.
func (h *harness) people(names ...string) {
	h.t.Helper()
	h.client(authd.Client{
		ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, Scopes: []string{"read"},
		Audiences: []string{"https://api.example"}, FirstParty: true,
	})
	for _, name := range names {
		if _, err := h.server.CreateUser(h.t.Context(), authd.NewUser{Username: name, Password: password}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// Personal data is kept only where the host says so, and in the row alone.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		device func(*http.Request) authd.Device
		want   string
	}{
		{"nothing by default", nil, "- - / - -"},
		{"the address of the peer, first and last", authd.PeerDevice, "127.0.0.1 canary-in / 127.0.0.1 canary-next"},
		{"what the hook says, as it may be kept", func(r *http.Request) authd.Device {
			return authd.Device{Address: netip.MustParseAddr("fe80::7%eth0"), UserAgent: r.UserAgent() + "\x1b[2J\n" + strings.Repeat("é", 200)}
		}, "fe80::7 canary-in[2J" + strings.Repeat("é", 122) + " / fe80::7 canary-next[2J" + strings.Repeat("é", 121)},
		{"an address alone", func(*http.Request) authd.Device {
			return authd.Device{Address: netip.MustParseAddr("::ffff:192.0.2.7")}
		}, "192.0.2.7 - / 192.0.2.7 -"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(c *authd.Config) { c.Device = tt.device })
			h.people("ada")

			in := h.signInBy("canary-in", "ada")
			h.refreshBy("canary-next", in.str("refresh_token")).want(t, 200, "")
			h.refreshBy("canary-retry", in.str("refresh_token")).want(t, 200, "") // in the grace window: writes nothing

			if got := h.kept(); got != tt.want {
				t.Errorf("kept %q, want %q", got, tt.want)
			}
			for _, where := range []string{h.log.String(), fmt.Sprintf("%+v", h.told())} {
				if strings.Contains(where, "canary") || strings.Contains(where, "fe80::7") || strings.Contains(where, "192.0.2.7") {
					t.Errorf("personal data in a log or an event: %s", where)
				}
			}
		})
	}
}

// F-42: a hook that panics is a fault of the one request, and uses nothing up.
func TestDeviceHookPanics(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(c *authd.Config) {
		c.Device = func(r *http.Request) authd.Device {
			if r.UserAgent() == "bad" {
				panic("192.0.2.7 canary")
			}
			return authd.PeerDevice(r)
		}
	})
	h.people("ada")
	h.by("bad", "/account/login", "application/json", `{"client_id":"app","username":"ada","password":"`+password+`"}`).want(t, 500, "server_error")
	in := h.signInBy("good", "ada")

	h.refreshBy("bad", in.str("refresh_token")).want(t, 500, "server_error")

	if got := h.kept(); got != "127.0.0.1 good / - -" { // one family, still of its first generation
		t.Errorf("kept %q", got)
	}
	h.refreshBy("good", in.str("refresh_token")).want(t, 200, "")
	if strings.Contains(h.log.String(), "canary") {
		t.Error("what the hook panicked with is in the log")
	}
}

// A host that signs people in by itself says where they came from.
func TestIssueKeepsTheDevice(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.people()

	_, err := h.server.Issue(t.Context(), authd.SignedIn{
		ClientID: "app", Subject: authd.Subject{ID: "host-1"},
		Device: authd.Device{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "kiosk"},
	})
	if err != nil {
		t.Fatal(err)
	}

	families, err := h.server.Families(t.Context(), authd.FamilyFilter{Subject: "host-1"})
	want := authd.Device{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "kiosk"}
	if err != nil || len(families) != 1 || families[0].First != want || families[0].Last != want {
		t.Errorf("got %+v, %v", families, err)
	}
}
