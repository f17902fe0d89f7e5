package oauth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
)

const formType = "application/x-www-form-urlencoded"

func TestParseForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name              string
		contentType, body string
		want              oauth.Form // nil: invalid_request
	}{
		{"parameters are decoded", formType, "a=1+2&b=%C3%A9", oauth.Form{"a": "1 2", "b": "é"}},
		{"nothing", formType, "", oauth.Form{}},
		{"H-22: an empty value counts as absent", formType, "scope=&a=1", oauth.Form{"a": "1"}},
		{"H-22: a name without a value too", formType, "scope&a=1", oauth.Form{"a": "1"}},
		{"H-23: unknown parameters are kept for nobody", formType, "foo=bar", oauth.Form{"foo": "bar"}},
		{"H-04: names are compared byte by byte", formType, "Scope=x&scope%5B%5D=y", oauth.Form{"Scope": "x", "scope[]": "y"}},
		{"charset UTF-8 in any case", formType + "; charset=utf-8", "a=1", oauth.Form{"a": "1"}},
		{"a repeated parameter, RFC 6749 §3.2", formType, "a=1&a=2", nil},
		{"a repeated parameter, once empty", formType, "a=&a=2", nil},
		{"a repeated parameter in two spellings", formType, "a=1&%61=2", nil},
		{"H-06: JSON", "application/json", `{"a":1}`, nil},
		{"H-06: multipart", "multipart/form-data; boundary=x", "", nil},
		{"H-06: no type", "", "a=1", nil},
		{"H-07: another charset", formType + "; charset=ISO-8859-1", "a=%E9", nil},
		{"H-07: two charsets", formType + "; charset=utf-8; charset=utf-7", "a=1", nil},
		{"H-08: a semicolon", formType, "grant_type=client_credentials;scope=x", nil},
		{"H-08: a broken escape after good parameters", formType, "a=1&username=%zz", nil},
		{"H-09: bytes that are no UTF-8", formType, "a=%ff", nil},
		{"H-09: an overlong encoding", formType, "a=%c0%80", nil},
		{"H-09: a surrogate", formType, "a=%ed%a0%80", nil},
		{"H-10: NUL", formType, "a=x%00", nil},
		{"H-11: CR LF", formType, "a=x%0d%0aSet-Cookie:+b", nil},
		{"H-11: a line separator", formType, "a=%E2%80%A8", nil},
		{"H-13: more than 64 parameters", formType, strings.Repeat("a&", 64) + "b=1", nil},
		{"more than 64 KiB", formType, "a=" + strings.Repeat("x", 64<<10), nil},
		{"a value over 16 KiB", formType, "a=" + strings.Repeat("x", 16<<10+1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oauth.ParseForm(tt.contentType, []byte(tt.body))

			if tt.want == nil {
				e, ok := errors.AsType[*oauth.Error](err)
				if !ok || e.Code != oauth.InvalidRequest {
					t.Errorf("got %v, %v; want invalid_request", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTwoResources(t *testing.T) {
	t.Parallel()
	_, err := oauth.ParseForm(formType, []byte("resource=https://a.example&resource=https://b.example"))
	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidTarget {
		t.Errorf("got %v, want invalid_target (RFC 8707 §2)", err)
	}
}

func FuzzParseForm(f *testing.F) {
	f.Add([]byte("grant_type=client_credentials&scope=read+write"))
	f.Add([]byte("a=%00&a=%zz;&&=x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := oauth.ParseForm(formType, body)
		if err != nil {
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.HTTPStatus() != 400 {
				t.Errorf("got %v, want a refusal", err)
			}
			return
		}
		for name, value := range form {
			if value == "" || !oauth.IsText(value) {
				t.Errorf("parameter %q has the value %q", name, value)
			}
		}
	})
}

func TestScopes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     oauth.Scopes
		ok       bool
	}{
		{"in order, once each", "b a b", oauth.Scopes{"b", "a"}, true},
		{"none", "", nil, true},
		{"every character of RFC 6749 §3.3", "!#[]~:/", oauth.Scopes{"!#[]~:/"}, true},
		{"two spaces", "a  b", nil, false},
		{"a leading space", " a", nil, false},
		{"a quotation mark", `a"`, nil, false},
		{"a backslash", `a\`, nil, false},
		{"a tab", "a\tb", nil, false},
		{"not ASCII", "é", nil, false},
		{"H-25: 10,000 values", strings.Repeat("a ", 9999) + "a", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oauth.ParseScopes(tt.in)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, got); tt.ok && diff != "" {
				t.Error(diff)
			}
		})
	}
	// J-35
	if (oauth.Scopes{"read"}).Within(oauth.Scopes{"readonly", "READ", "read:all"}) {
		t.Error("a scope is satisfied by one that only looks like it")
	}
	if got := (oauth.Scopes{"c", "a", "x"}).Intersect(oauth.Scopes{"a", "b", "c"}); got.String() != "c a" {
		t.Errorf("intersection %q", got)
	}
}

func FuzzParseScopes(f *testing.F) {
	f.Add("read write")
	f.Fuzz(func(t *testing.T, s string) {
		scopes, err := oauth.ParseScopes(s)
		if err != nil {
			return
		}
		again, err := oauth.ParseScopes(scopes.String())
		if err != nil || !cmp.Equal(scopes, again) {
			t.Errorf("%q becomes %q, then %q, %v", s, scopes, again, err)
		}
	})
}

// RFC 6749 §5.2: what a description may hold.
func TestErrorStatuses(t *testing.T) {
	t.Parallel()
	for code, want := range map[oauth.Code]int{
		oauth.InvalidRequest: 400, oauth.InvalidGrant: 400, oauth.UnsupportedGrantType: 400, oauth.InvalidClient: 401,
		oauth.AccessDenied: 403, oauth.ServerError: 500, oauth.TemporarilyUnavailable: 503, oauth.InvalidCredentials: 401,
		oauth.UsernameTaken: 409, oauth.WeakPassword: 400, oauth.TooManyAttempts: 429,
	} {
		if got := oauth.Errorf(code, "x").HTTPStatus(); got != want {
			t.Errorf("%s is %d, want %d", code, got, want)
		}
	}
	if e := oauth.TooMany(0, "rule"); e.HTTPStatus() != 429 || e.Code != oauth.TemporarilyUnavailable {
		t.Errorf("got %v", e)
	}
	if e := oauth.Unavailable.Because("x"); e == oauth.Unavailable || oauth.Unavailable.Rule != "" {
		t.Error("Because changes what is shared")
	}
}
