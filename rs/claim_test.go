package rs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// S3-18, F-07, F-102, P-03: all that a token says can be read, under its own name and without a panic.
func TestClaim(t *testing.T) {
	t.Parallel()
	tok, err := newVerifier(t, offline()).Verify(t.Context(), edit{
		"tenant": `"a"`, "admin": "true", "level": "7", "ratio": "0.5", "huge": "9223372036854775808", "far": "1e999",
		"groups": `["x","y"]`, "mixed": `["x",1]`, "none": "null", "address": `{"City":"Seoul"}`,
	}.token())
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		Claim any
		OK    bool
	}
	of := func(claim any, ok bool) result { return result{claim, ok} }
	text := func(name string) result { s, ok := rs.Claim[string](tok, name); return of(s, ok) }
	whole := func(name string) result { n, ok := rs.Claim[int64](tok, name); return of(n, ok) }
	fraction := func(name string) result { n, ok := rs.Claim[float64](tok, name); return of(n, ok) }
	list := func(name string) result { l, ok := rs.Claim[[]string](tok, name); return of(l, ok) }
	no := func(zero any) result { return result{zero, false} }
	var noList []string
	tests := []struct {
		name      string
		got, want result
	}{
		{"text", text("tenant"), of("a", true)},
		{"J-17: a name in another case is another name", text("Tenant"), no("")},
		{"a truth as text", text("admin"), no("")},
		{"null as text", text("none"), no("")},
		{"absent", text("nothing"), no("")},
		{"whole number", whole("level"), of(int64(7), true)},
		{"half a number", whole("ratio"), no(int64(0))},
		{"a number that is too great", whole("huge"), no(int64(0))},
		{"a text as number", whole("tenant"), no(int64(0))},
		{"fraction", fraction("ratio"), of(0.5, true)},
		{"whole number as fraction", fraction("level"), of(7.0, true)},
		{"beyond every fraction", fraction("far"), no(0.0)},
		{"list", list("groups"), of([]string{"x", "y"}, true)},
		{"list of different things", list("mixed"), no(noList)},
		{"text as list", list("tenant"), no(noList)},
		{"list as text", text("groups"), no("")},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	if admin, ok := rs.Claim[bool](tok, "admin"); !ok || !admin {
		t.Errorf("admin: got %t, %t", admin, ok)
	}
	if n, ok := rs.Claim[json.Number](tok, "huge"); !ok || n != "9223372036854775808" {
		t.Errorf("F-102: got %s, %t", n, ok)
	}
	if address, ok := rs.Claim[map[string]any](tok, "address"); !ok || address["City"] != "Seoul" {
		t.Errorf("object: got %v, %t", address, ok)
	}
	if _, ok := rs.Claim[string](nil, "tenant"); ok {
		t.Error("a nil token has a claim")
	}
	if _, ok := rs.Claim[string](&rs.Token{}, "tenant"); ok {
		t.Error("an empty token has a claim")
	}
}

// J-49: whether there is a person is said by claims, not by what a subject looks like.
func TestIsUser(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit edit
		want bool
	}{
		{"a person", edit{}, true},
		{"a client for itself, RFC 9068 §5", edit{"sub": `"shop"`}, false},
		{"a client whose name looks like a person's", edit{"sub": `"usr_1"`, "client_id": `"usr_1"`}, false},
		{"a person whose name looks like a client's", edit{"sub": `"blog"`}, true},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		tok, err := v.Verify(t.Context(), tt.edit.token())
		if err != nil || tok.IsUser() != tt.want {
			t.Errorf("%s: got %v, %v", tt.name, tok, err)
		}
	}
	if (*rs.Token)(nil).IsUser() {
		t.Error("nobody is a person")
	}
}

// F-08, P-03: the header of a verified token.
func TestTokenHeader(t *testing.T) {
	t.Parallel()
	raw := forge(`{"typ":"application/AT+JWT","kid":"k-at","alg":"RS256"}`, edit{}.payload(), keyAT())
	tok, err := newVerifier(t, offline()).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if want := (rs.JOSEHeader{Alg: "RS256", Kid: "k-at", Typ: "application/AT+JWT"}); tok.Header != want || tok.Kid != want.Kid {
		t.Errorf("got %+v and kid %s, want %+v", tok.Header, tok.Kid, want)
	}
}

// F-11, P-04: a header that nobody has verified.
func TestPeekHeader(t *testing.T) {
	t.Parallel()
	with := func(header string) string { return base64url([]byte(header)) + ".e30.AA" }
	tests := []struct {
		name, raw string
		want      rs.JOSEHeader
		ok        bool
	}{
		{"a good token", edit{}.token(), rs.JOSEHeader{Alg: "RS256", Kid: "k-at", Typ: "at+jwt"}, true},
		{"one that no verifier takes", with(`{"alg":"none"}`), rs.JOSEHeader{Alg: "none"}, true},
		{"a JWE", base64url([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AA.AA.AA", rs.JOSEHeader{Alg: "dir"}, true},
		{"J-17: another case is another name", with(`{"ALG":"x","Kid":"y"}`), rs.JOSEHeader{}, true},
		{"nothing", "", rs.JOSEHeader{}, false},
		{"S0-18: the header of the request", "Bearer " + edit{}.token(), rs.JOSEHeader{}, false},
		{"no dot", base64url([]byte(`{"alg":"none"}`)), rs.JOSEHeader{}, false},
		{"no JSON", base64url([]byte(`x`)) + ".", rs.JOSEHeader{}, false},
		{"a list", with(`[]`), rs.JOSEHeader{}, false},
		{"kid as number", with(`{"kid":1}`), rs.JOSEHeader{}, false},
		{"alg null", with(`{"alg":null}`), rs.JOSEHeader{}, false},
		{"J-16: alg twice", with(`{"alg":"none","alg":"RS256"}`), rs.JOSEHeader{}, false},
		{"padding", "e30=.e30.", rs.JOSEHeader{}, false},
		{"J-36: 8 MiB", strings.Repeat("A", 8<<20) + ".", rs.JOSEHeader{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := rs.PeekHeader(tt.raw)
			if got != tt.want || (err == nil) != tt.ok || err != nil && !errors.Is(err, rs.ErrInvalid) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// F-10: where the token was.
func TestTokenSource(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())
	r := bearing(edit{}.token())
	q := bearing("")
	q.Header.Del("Authorization")
	q.URL.RawQuery = "jwt=" + edit{}.token()

	outside, err1 := v.Verify(t.Context(), edit{}.token())
	header, err2 := v.VerifyRequest(r)
	query, err3 := v.VerifyRequest(q, rs.From(rs.Query("jwt")))

	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%q %q %q", outside.Source, header.Source, query.Source); got != `"" "header" "query"` {
		t.Errorf("got %s", got)
	}
}
