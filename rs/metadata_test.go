package rs_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

const describedAudience = "https://api.example.com/v1"

// described configures a verifier with resource metadata.
func described() rs.Config {
	cfg := offline()
	cfg.Audience = describedAudience
	cfg.Metadata = &rs.ResourceMetadata{Scopes: []string{"read", "write"}, Name: "Orders", Documentation: "https://docs.example.com/"}
	return cfg
}

// RFC 9728 §3: the document, at the path that a client makes of the resource's identifier.
func TestMetadataHandler(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*rs.Config)
		path   string
		want   string
	}{
		{
			"a resource with a path", func(*rs.Config) {}, "/.well-known/oauth-protected-resource/v1",
			`{"resource":"https://api.example.com/v1","authorization_servers":["https://id.example.com"],"scopes_supported":["read","write"],
			  "bearer_methods_supported":["header"],"resource_name":"Orders","resource_documentation":"https://docs.example.com/"}`,
		},
		{
			"a resource without a path, and nothing more to say",
			func(c *rs.Config) { c.Audience, c.Metadata = "https://api.example.com", &rs.ResourceMetadata{} },
			"/.well-known/oauth-protected-resource",
			`{"resource":"https://api.example.com","authorization_servers":["https://id.example.com"],"bearer_methods_supported":["header"]}`,
		},
		{
			"the slash behind the host is not doubled", func(c *rs.Config) { c.Audience, c.Metadata = "https://api.example.com/", &rs.ResourceMetadata{} },
			"/.well-known/oauth-protected-resource",
			`{"resource":"https://api.example.com/","authorization_servers":["https://id.example.com"],"bearer_methods_supported":["header"]}`,
		},
		{
			"the places of RFC 6750, whatever their order",
			func(c *rs.Config) {
				c.Metadata = &rs.ResourceMetadata{}
				c.Locations = []rs.Location{rs.Query("access_token"), {}, rs.Form("access_token")}
			},
			"/.well-known/oauth-protected-resource/v1",
			`{"resource":"https://api.example.com/v1","authorization_servers":["https://id.example.com"],"bearer_methods_supported":["header","body","query"]}`,
		},
		{
			"places that no RFC knows",
			func(c *rs.Config) {
				c.Metadata = &rs.ResourceMetadata{}
				c.Locations = []rs.Location{rs.Query("jwt"), rs.HeaderNamed("X-Token", ""), rs.JSON("access_token"), rs.Form("jwt")}
			},
			"/.well-known/oauth-protected-resource/v1",
			`{"resource":"https://api.example.com/v1","authorization_servers":["https://id.example.com"],"bearer_methods_supported":[]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := described()
			tt.change(&cfg)
			path, h := newVerifier(t, cfg).MetadataHandler()
			mux := http.NewServeMux()
			mux.Handle(path, h)

			w := serve(mux, httptest.NewRequest("GET", tt.path, nil))

			var want, got any
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
				t.Fatalf("got %d %s: %v", w.Code, w.Body, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			header := w.Header()
			if header.Get("Content-Type") != "application/json" || header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("got headers %v", header)
			}
		})
	}
}

func TestMetadataHandlerAnswersGETAlone(t *testing.T) {
	t.Parallel()
	path, h := newVerifier(t, described()).MetadataHandler()

	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 405} {
		w := serve(h, httptest.NewRequest(method, path, nil))
		if w.Code != want || want == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %d %v, want %d", method, w.Code, w.Header(), want)
		}
	}
}

func TestMetadataHandlerWithoutMetadata(t *testing.T) {
	t.Parallel()
	path, h := newVerifier(t, offline()).MetadataHandler()

	if w := serve(h, httptest.NewRequest("GET", path, nil)); w.Code != 404 {
		t.Errorf("got %d, want 404", w.Code)
	}
}

// RFC 9728 §1.2: what is no identifier of a resource cannot be described.
func TestMetadataNeedsAURL(t *testing.T) {
	t.Parallel()
	for _, audience := range []string{"orders", "http://api.example.com", "https://api.example.com?a=b", "https://api.example.com#a", "https://u@api.example.com", "urn:api"} {
		cfg := described()
		cfg.Audience = audience
		if _, err := rs.New(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", audience)
		}
	}
}

// RFC 9728 §5.1: every challenge says where the metadata is.
func TestChallengesNameTheMetadata(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, described())
	h := v.Required(rs.Scopes("admin"))(http.HandlerFunc(whoami))
	const at = `, resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1"`
	aud := edit{"aud": `"` + describedAudience + `"`}
	tests := []struct{ name, raw, want string }{
		{"missing", "", `Bearer realm="https://api.example.com/v1"`},
		{"malformed", "a b", `Bearer error="invalid_request"`},
		{"invalid", "a", `Bearer error="invalid_token", error_description="token invalid"`},
		{"insufficient scope", aud.token(), `Bearer error="insufficient_scope", scope="admin"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := bearing(tt.raw)
			if tt.raw == "" {
				r.Header.Del("Authorization")
			}
			if got := ask(h, r).Challenge; got != tt.want+at {
				t.Errorf("got %s, want %s", got, tt.want+at)
			}
		})
	}
}
