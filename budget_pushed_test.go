package authd_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
)

// What it costs to begin, with a pushed request (RFC 9126) and without.
func TestBudgetOfAuthorizationRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request func(*metered) *http.Request
		status  int
		want    cost
	}{
		// Client; request.
		{
			"a pushed request is kept in two round trips and one commit",
			func(m *metered) *http.Request { return m.form("shop", "/oauth2/par", pushedFields...) },
			201,
			cost{RoundTrips: 2, Commits: 1, Inserted: 1},
		},
		{
			"one of a client that signs keeps its jti, too",
			func(m *metered) *http.Request { return m.asserted("signer", "/oauth2/par", pushedFields...) },
			201,
			cost{RoundTrips: 3, Commits: 2, Inserted: 2},
		},
		{
			"one that is malformed is refused before a connection is taken",
			func(m *metered) *http.Request {
				return m.form("shop", "/oauth2/par", append(pushedFields, "code_challenge_method", "plain")...)
			},
			400,
			cost{},
		},
		{
			"one that the registration does not allow is not kept",
			func(m *metered) *http.Request {
				return m.form("shop", "/oauth2/par", append(pushedFields, "scope", "admin")...)
			},
			400,
			cost{RoundTrips: 1},
		},
		// Request, which from now on is the browser's; client.
		{
			"a browser that comes with it is two round trips and one commit",
			func(m *metered) *http.Request { return m.begin("request_uri", m.push()) },
			303,
			cost{RoundTrips: 2, Commits: 1, Updated: 1},
		},
		{
			"with a malformed request_uri it is refused before a connection is taken",
			func(m *metered) *http.Request { return m.begin("request_uri", "urn:ietf:params:oauth:request_uri:x") },
			400,
			cost{},
		},
		{
			"with a request_uri that is over it is one round trip, and one to see whether there was room",
			func(m *metered) *http.Request {
				return m.begin("request_uri", "urn:ietf:params:oauth:request_uri:E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
			},
			400,
			cost{RoundTrips: 2},
		},
		// Client; request.
		{
			"a request that was not pushed is two round trips and one commit",
			func(m *metered) *http.Request { return m.begin(pushedFields...) },
			303,
			cost{RoundTrips: 2, Commits: 1, Inserted: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMetered(t)
			m.serveWith(tt.request(m), tt.status) // statements are prepared once per connection
			request := tt.request(m)

			before := m.spent()
			m.serveWith(request, tt.status)

			if diff := cmp.Diff(tt.want, m.spent().minus(before)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

var pushedFields = []string{
	"response_type", "code", "redirect_uri", budgetCallback, "state", "s", "code_challenge", oauth2.S256ChallengeFromVerifier(budgetVerifier),
	"code_challenge_method", "S256",
}

// push returns the request_uri.
func (m *metered) push() string {
	m.t.Helper()
	var out struct {
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(m.serveWith(m.form("shop", "/oauth2/par", pushedFields...), 201), &out); err != nil {
		m.t.Fatal(err)
	}
	return out.RequestURI
}

// begin is a new browser at the authorization endpoint.
func (m *metered) begin(fields ...string) *http.Request {
	query := url.Values{"client_id": {"shop"}}
	for i := 0; i < len(fields); i += 2 {
		query.Set(fields[i], fields[i+1])
	}
	return httptest.NewRequest(http.MethodGet, "/oauth2/authorize?"+query.Encode(), nil)
}
