package authd_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd"
)

// tooLong is no password, and costs no hash.
var tooLong = strings.Repeat("x", 1025)

// stopped is a clock by which no bucket fills again, however slow the machine is.
func stopped() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

// B-12, H-20, D-17: nobody gets more guesses by naming other addresses, and nobody who is behind
// a proxy pays for others.
func TestForgedAddressesGuess(t *testing.T) {
	t.Parallel()
	proxied, err := authd.ProxiedDevice("X-Forwarded-For", netip.MustParsePrefix("127.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	strangers, err := authd.ProxiedDevice("X-Forwarded-For", netip.MustParsePrefix("10.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	address := func(device func(*http.Request) authd.Device) func(*http.Request) netip.Addr {
		return func(r *http.Request) netip.Addr { return device(r).Address }
	}
	own := func(i int) string { return fmt.Sprintf("198.51.%d.%d", i/250, i%250) }
	tests := []struct {
		name    string
		address func(*http.Request) netip.Addr
		header  func(i int) string
		looked  int // of 150 passwords
	}{
		{"the header of nobody's proxy", address(strangers), own, 100},
		{"the peer", address(authd.PeerDevice), own, 100},
		{"before the entry of the proxy", address(proxied), func(i int) string { return own(i) + ", 203.0.113.66" }, 100},
		{"addresses that a proxy vouches for are people", address(proxied), own, 150},
		{"a proxy of which nobody has said so is not one person", nil, own, 150},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := withPagesAnd(t, func(c *authd.Config) { c.ClientAddress, c.Now = tt.address, stopped() })
			p := h.person()
			page := p.follow(p.open("/account"))
			looked := 0
			for i := range 150 {
				p.headers = map[string]string{"X-Forwarded-For": tt.header(i)}
				a := p.submit(page, "username", fmt.Sprintf("user%d", i), "password", tooLong)
				if a.status == http.StatusBadRequest {
					looked++
				} else if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
					t.Fatalf("guess %d: %d %v", i, a.status, a.header)
				}
			}

			if looked != tt.looked {
				t.Errorf("%d passwords were looked at, want %d", looked, tt.looked)
			}
		})
	}
}

// B-12: many addresses that guess at one account are one guesser.
func TestManyAddressesGuessAtOneAccount(t *testing.T) {
	t.Parallel()
	device, err := authd.ProxiedDevice("X-Forwarded-For", netip.MustParsePrefix("127.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	h := withPagesAnd(t, func(c *authd.Config) { c.Device = device })
	p := h.person()
	page := p.follow(p.open("/account"))
	throttled := 0
	for i := range 100 {
		p.headers = map[string]string{"X-Forwarded-For": fmt.Sprintf("198.51.100.%d", i)}
		if a := p.submit(page, "username", "ada", "password", "wrong"); a.status == http.StatusTooManyRequests {
			throttled++
		}
	}

	// Five are free, and each second of this test lets another through at most.
	if throttled < 80 {
		t.Errorf("%d of 100 guesses were refused", throttled)
	}
}

// The account calls are limited, too, and say so as they say everything.
func TestAccountCallsAreLimitedByAddress(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(c *authd.Config) {
		c.ClientAddress = func(r *http.Request) netip.Addr { return authd.PeerDevice(r).Address }
		c.Now = stopped()
	})
	h.client(authd.Client{ID: "app", AuthMethod: "none", FirstParty: true})
	body := `{"client_id":"app","username":"ada","password":"` + tooLong + `"}`
	for range 100 {
		h.json("/account/login", body).want(t, 401, "invalid_credentials")
	}

	a := h.json("/account/login", body).want(t, 429, "too_many_attempts")

	if a.header.Get("Retry-After") != "6" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if told := toldOf[authd.SignInThrottled](h); len(told) != 1 || told[0] != (authd.SignInThrottled{ClientID: "app", By: "address"}) {
		t.Errorf("told %+v", told)
	}
}
