package rs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

const secondIssuer = "https://login.example.org/tenant"

// second configures a verifier of another issuer, whose key has the name that the first one's has.
func second() rs.Config {
	cfg := offline()
	cfg.Issuer = secondIssuer
	cfg.Keys = staticKeys{"k-at": keyNew().Public(), "k-b": keyNew().Public()}
	return cfg
}

func joined(t *testing.T, cfgs ...rs.Config) *rs.Verifier {
	t.Helper()
	var all []*rs.Verifier
	for _, cfg := range cfgs {
		all = append(all, newVerifier(t, cfg))
	}
	v, err := rs.Any(all...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// J-32, P-11: a token is judged by the issuer that it names, and by that issuer's keys alone.
func TestAny(t *testing.T) {
	t.Parallel()
	of := func(issuer string) edit { return edit{"iss": `"` + issuer + `"`} }
	headerB := strings.Replace(goodHeader, "k-at", "k-b", 1)
	tests := []struct {
		name, raw string
		want      error
	}{
		{"the first issuer's", edit{}.token(), nil},
		{"the second issuer's", forge(headerB, of(secondIssuer).payload(), keyNew()), nil},
		{"the second issuer's, under a name that both keys have", forge(goodHeader, of(secondIssuer).payload(), keyNew()), nil},
		{"says the first, signed by the second, J-32", forge(goodHeader, edit{}.payload(), keyNew()), rs.ErrInvalid},
		{"says the second, signed by the first, J-32", forge(goodHeader, of(secondIssuer).payload(), keyAT()), rs.ErrInvalid},
		{"says the first under a key that only the second has", forge(headerB, edit{}.payload(), keyNew()), rs.ErrInvalid},
		{"unknown issuer", of("https://evil.example").token(), rs.ErrInvalid},
		{"a part of an issuer", of("https://login.example.org").token(), rs.ErrInvalid},
		{"an issuer and a slash", of(testIssuer + "/").token(), rs.ErrInvalid},
		{"no issuer", edit{"iss": ""}.token(), rs.ErrInvalid},
		{"two issuers in a list", edit{"iss": `["` + testIssuer + `","` + secondIssuer + `"]`}.token(), rs.ErrInvalid},
		{"two issuers by a repeated name", forge(goodHeader, `{"iss":"`+testIssuer+`",`+of(secondIssuer).payload()[1:], keyNew()), rs.ErrInvalid},
		{"too long", strings.Repeat("A", 8<<20), rs.ErrInvalid},
		{"no token", "", rs.ErrInvalid},
		{"expired, of the second issuer", forge(goodHeader, edit{"iss": `"` + secondIssuer + `"`, "iat": "1699999000", "exp": "1699999600"}.payload(), keyNew()), rs.ErrExpired},
	}
	v := joined(t, offline(), second())
	nested, err := rs.Any(v, newVerifier(t, func() rs.Config { c := offline(); c.Issuer = "https://third.example"; return c }()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range []*rs.Verifier{v, nested} {
				if _, err := v.Verify(t.Context(), tt.raw); !errors.Is(err, tt.want) {
					t.Errorf("got error %v, want %v", err, tt.want)
				}
				status := 200
				if tt.want != nil {
					status = 401
				}
				if tt.raw == "" {
					continue // RFC 6750: no token in a request is malformed, not invalid
				}
				if got := ask(v.Required()(http.HandlerFunc(whoami)), bearing(tt.raw)); got.Status != status {
					t.Errorf("got %+v, want status %d", got, status)
				}
			}
		})
	}
}

// What concerns the token is that of its issuer's verifier; what concerns requests is the first one's.
func TestAnyAsksTheTokensVerifier(t *testing.T) {
	t.Parallel()
	a, b := offline(), second()
	a.Realm = "Orders"
	a.SubjectLoader = func(context.Context, *rs.Token) (any, error) { return user{"of a"}, nil }
	b.Audience = "urn:b"
	b.Realm = "nobody sees this"
	b.Leeway = time.Minute
	b.Revocation = checkerFunc(func(_ context.Context, t *rs.Token) (bool, error) { return t.ID == "gone", nil })
	b.SubjectLoader = func(context.Context, *rs.Token) (any, error) { return user{"of b"}, nil }
	v := joined(t, a, b)
	ofB := func(e edit) string {
		e["iss"] = `"` + secondIssuer + `"`
		return forge(goodHeader, e.payload(), keyNew())
	}
	var loaded user
	h := v.Required(rs.Scopes("read"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		loaded, _ = rs.SubjectAs[user](r.Context())
		if _, err := v.VerifyRequest(r, rs.Scopes("write")); err != nil {
			t.Error(err)
		}
		whoami(w, r)
	}))
	tests := []struct {
		name, raw  string
		want       string
		wantLoaded string
	}{
		{"the first", edit{}.token(), `200 `, "of a"},
		{"the second with its audience", ofB(edit{"aud": `"urn:b"`}), `200 `, "of b"},
		{"the second with the first one's audience", ofB(edit{}), `401 Bearer error="invalid_token", error_description="token invalid"`, ""},
		{"the second's leeway", ofB(edit{"aud": `"urn:b"`, "iat": "1699999000", "exp": "1699999941"}), `200 `, "of b"},
		{"the first has less", edit{"iat": "1699999000", "exp": "1699999941"}.token(), `401 Bearer error="invalid_token", error_description="token expired"`, ""},
		{"revoked at the second", ofB(edit{"aud": `"urn:b"`, "jti": `"gone"`}), `401 Bearer error="invalid_token", error_description="token revoked"`, ""},
		{"the first is not asked there", edit{"jti": `"gone"`}.token(), `200 `, "of a"},
		{"nobody", "", `401 Bearer realm="Orders"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loaded = user{}
			r := bearing(tt.raw)
			if tt.raw == "" {
				r.Header.Del("Authorization")
			}

			w := serve(h, r)

			if got := fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if loaded.Name != tt.wantLoaded {
				t.Errorf("loaded %q, want %q", loaded.Name, tt.wantLoaded)
			}
		})
	}
}

func TestAnyRefusesItsArguments(t *testing.T) {
	t.Parallel()
	a, again := newVerifier(t, offline()), newVerifier(t, offline())
	b := newVerifier(t, second())
	ab, err := rs.Any(a, b)
	if err != nil {
		t.Fatal(err)
	}
	for name, all := range map[string][]*rs.Verifier{
		"none": nil, "a nil one": {a, nil}, "one issuer twice": {a, b, again}, "the same twice": {a, a}, "within another": {ab, b},
	} {
		if v, err := rs.Any(all...); err == nil || v != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Close ends what all of them do in the background: goleak watches.
func TestAnyCloses(t *testing.T) {
	t.Parallel()
	a, b := newIssuer(t, ""), newIssuer(t, "/b")
	cfgA, _ := a.config()
	cfgB, _ := b.config()
	var all []*rs.Verifier
	for _, cfg := range []rs.Config{cfgA, cfgB} {
		v, err := rs.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v) // closed by none but the joined one
	}
	v, err := rs.Any(all...)
	if err != nil {
		t.Fatal(err)
	}

	for range 2 {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := v.Verify(t.Context(), b.Token()); err != nil {
		t.Errorf("with the keys in memory: %v", err)
	}
}

// RFC 9728 §2: authorization_servers are those that issue tokens for this resource.
func TestAnyMetadata(t *testing.T) {
	t.Parallel()
	same, other := second(), second()
	same.Audience = describedAudience
	other.Issuer = "https://third.example"
	path, h := joined(t, described(), same, other).MetadataHandler()

	var got struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.Unmarshal(serve(h, httptest.NewRequest("GET", path, nil)).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]string{testIssuer, secondIssuer}, got.Servers); diff != "" || got.Resource != describedAudience {
		t.Errorf("got resource %s: %s", got.Resource, diff)
	}
}
