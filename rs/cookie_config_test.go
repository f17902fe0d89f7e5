package rs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-authd/authd/rs"
)

// M-06: a setting that a browser would ignore, or that leaves a check out, is an error at start.
func TestNewCookiesRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*rs.CookieConfig)
		want   string
	}{
		{"no key", func(c *rs.CookieConfig) { c.CSRFKeys = nil }, "CSRFKeys is empty"},
		{"a short key", func(c *rs.CookieConfig) { c.CSRFKeys = [][]byte{csrfKey, csrfKey[1:]} }, "CSRFKeys[1] has 31 bytes"},
		{"F-58a: a name without prefix", func(c *rs.CookieConfig) { c.Name = "access_token_cookie" }, "prefix __Host-"},
		{"F-58b: a path under __Host-", func(c *rs.CookieConfig) { c.Name, c.Path = "__Host-a", "/api" }, "prefix __Secure-"},
		{"F-58b: a relative path", func(c *rs.CookieConfig) { c.Path = "api" }, `path "api"`},
		{"F-58b: a path with attributes", func(c *rs.CookieConfig) { c.Path = "/;Domain=example.com" }, "none of a cookie"},
		{"F-58a: a name with a space", func(c *rs.CookieConfig) { c.Name = "__Host-a b" }, "none of a cookie"},
		{"F-61a: a CSRF cookie without prefix", func(c *rs.CookieConfig) { c.CSRFName = "csrf_access_token" }, "prefix __Host-"},
		{"F-58c: a refresh cookie without prefix", func(c *rs.CookieConfig) { c.RefreshPath, c.RefreshName = "/r", "refresh" }, "prefix __Secure-"},
		{"F-58d: a relative refresh path", func(c *rs.CookieConfig) { c.RefreshPath = "r" }, `path "r"`},
		{"one name for two", func(c *rs.CookieConfig) { c.CSRFName = "__Host-access_token" }, "one name"},
		{"F-59c: SameSite None", func(c *rs.CookieConfig) { c.SameSite = http.SameSiteNoneMode }, "neither Lax nor Strict"},
		{"F-59c: the browser's default SameSite", func(c *rs.CookieConfig) { c.SameSite = http.SameSiteDefaultMode }, "neither Lax nor Strict"},
		{"F-71: an origin with a path", func(c *rs.CookieConfig) { c.TrustedOrigins = []string{"https://app.example.com/"} }, "TrustedOrigins"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := rs.CookieConfig{CSRFKeys: [][]byte{csrfKey}}
			tt.change(&cfg)

			c, err := rs.NewCookies(cfg)

			if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, error %v, want %q", c, err, tt.want)
			}
		})
	}
}
