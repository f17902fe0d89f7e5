package oauth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// OIDC RP-Initiated Logout §2.
func TestParseLogout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		want        LogoutRequest
		refused     bool
	}{
		{"nothing", "", LogoutRequest{}, false},
		{
			"everything", "id_token_hint=a.b.c&client_id=rp&post_logout_redirect_uri=https%3A%2F%2Fa%2Fbye&state=x%26+y&ui_locales=ko&logout_hint=ada&other=1",
			LogoutRequest{IDTokenHint: "a.b.c", ClientID: "rp", RedirectURI: "https://a/bye", State: "x& y", UILocales: "ko"},
			false,
		},
		{"an unknown parameter twice", "other=1&other=2", LogoutRequest{}, false},
		{"a repeated one", "state=1&state=2", LogoutRequest{}, true},
		{"the longest state", "state=" + strings.Repeat("s", MaxState), LogoutRequest{State: strings.Repeat("s", MaxState)}, false},
		{"a longer one", "state=" + strings.Repeat("s", MaxState+1), LogoutRequest{}, true},
		{"a line break", "state=a%0d%0aSet-Cookie:b", LogoutRequest{}, true},
		{"no percent-encoding", "state=%zz", LogoutRequest{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got, err := ParseLogout(tt.query)

			if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != tt.refused {
				t.Errorf("%v, -want +got\n%s", err, diff)
			}
		})
	}
}

// The query of a registered URI stays as it is.
func TestLogoutLocation(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]LogoutRequest{
		"https://a/bye":                 {RedirectURI: "https://a/bye"},
		"https://a/bye?state=x%26+y":    {RedirectURI: "https://a/bye", State: "x& y"},
		"https://a/bye?l=ko%20&state=s": {RedirectURI: "https://a/bye?l=ko%20", State: "s"},
	} {
		if got := r.Location(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
