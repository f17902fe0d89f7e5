package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-authd/authd/internal/oauth"
)

const goodHeader = `{"alg":"RS256","kid":"k1","typ":"at+jwt"}`

// compact builds a token from raw strings, as no library would.
func compact(header, payload, signature string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(payload)) + "." + enc([]byte(signature))
}

// compactOf builds a well-formed token of exactly n bytes; base64url has no segments of 4k+1.
func compactOf(t *testing.T, n int) string {
	t.Helper()
	for sig := 1; sig < 4; sig++ {
		empty := compact(goodHeader, "", strings.Repeat("s", sig))
		if raw := compact(goodHeader, strings.Repeat(" ", (n-len(empty))*3/4), strings.Repeat("s", sig)); len(raw) == n {
			return raw
		}
	}
	t.Fatalf("no token of %d bytes", n)
	return ""
}

func TestParseCompact(t *testing.T) {
	t.Parallel()
	raw := compact(goodHeader, `{"sub":"u"}`, "sig")

	got, err := oauth.ParseCompact(raw)
	if err != nil {
		t.Fatal(err)
	}

	want := oauth.Compact{
		Raw: raw, Alg: "RS256", Kid: "k1", Typ: "at+jwt",
		SigningInput: []byte(raw[:strings.LastIndex(raw, ".")]),
		Payload:      []byte(`{"sub":"u"}`), Signature: []byte("sig"),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(oauth.Compact{})); diff != "" {
		t.Error(diff)
	}
	if claims, err := got.Claims(); err != nil || claims["sub"] != "u" || len(claims) != 1 {
		t.Errorf("claims are %v, %v", claims, err)
	}
}

func TestParseCompactHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header string
		ok           bool
	}{
		{"unknown members are harmless", `{"alg":"RS256","kid":"k","x5t":"a","n":1}`, true},
		{"typ may be absent here", `{"alg":"RS256","kid":"k"}`, true},
		{"kid of 256 bytes", `{"alg":"RS256","kid":"` + strings.Repeat("k", 256) + `"}`, true},
		{"alg none, RFC 8725 §3.1", `{"alg":"none","kid":"k"}`, false},
		{"alg HS256, RFC 8725 §2.1", `{"alg":"HS256","kid":"k"}`, false},
		{"alg RS384, J-03", `{"alg":"RS384","kid":"k"}`, false},
		{"alg RS512, J-03", `{"alg":"RS512","kid":"k"}`, false},
		{"alg PS256, J-03", `{"alg":"PS256","kid":"k"}`, false},
		{"alg ES256, J-03", `{"alg":"ES256","kid":"k"}`, false},
		{"alg in lower case, J-03", `{"alg":"rs256","kid":"k"}`, false},
		{"alg as array", `{"alg":["RS256"],"kid":"k"}`, false},
		{"no alg", `{"kid":"k"}`, false},
		{"Alg is not alg", `{"Alg":"RS256","kid":"k"}`, false},
		{"duplicate alg, J-16", `{"alg":"RS256","kid":"k","alg":"none"}`, false},
		{"duplicate alg by escape, J-16", `{"alg":"RS256","kid":"k","\u0061lg":"RS256"}`, false},
		{"no kid, J-07", `{"alg":"RS256"}`, false},
		{"empty kid, J-07", `{"alg":"RS256","kid":""}`, false},
		{"kid of 257 bytes, J-06", `{"alg":"RS256","kid":"` + strings.Repeat("k", 257) + `"}`, false},
		{"kid with line break, J-06", `{"alg":"RS256","kid":"a\r\nb"}`, false},
		{"kid with NUL, J-06", `{"alg":"RS256","kid":"a\u0000"}`, false},
		{"kid with ESC, J-06", `{"alg":"RS256","kid":"a\u001b[2J"}`, false},
		{"kid with a direction mark, J-06", `{"alg":"RS256","kid":"a\u202eb"}`, false},
		{"kid as number, J-06", `{"alg":"RS256","kid":1}`, false},
		{"kid as array, J-06", `{"alg":"RS256","kid":["k"]}`, false},
		{"kid as object, J-06", `{"alg":"RS256","kid":{}}`, false},
		{"jwk", `{"alg":"RS256","kid":"k","jwk":{}}`, false},
		{"jku, J-12", `{"alg":"RS256","kid":"k","jku":"https://a"}`, false},
		{"x5u, J-13", `{"alg":"RS256","kid":"k","x5u":"https://a"}`, false},
		{"x5c, J-13", `{"alg":"RS256","kid":"k","x5c":[]}`, false},
		{"empty crit, J-15", `{"alg":"RS256","kid":"k","crit":[]}`, false},
		{"crit b64, J-15", `{"alg":"RS256","kid":"k","crit":["b64"],"b64":true}`, false},
		{"b64, J-15, RFC 7797 §7", `{"alg":"RS256","kid":"k","b64":false}`, false},
		{"zip, J-39", `{"alg":"RS256","kid":"k","zip":"DEF"}`, false},
		{"enc, J-41", `{"alg":"RS256","kid":"k","enc":"A256GCM"}`, false},
		{"JWE header, J-40", `{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647}`, false},
		{"typ as number", `{"alg":"RS256","kid":"k","typ":1}`, false},
		{"typ empty", `{"alg":"RS256","kid":"k","typ":""}`, false},
		{"sixteen members", `{"alg":"RS256","kid":"k"` + manyMembers(14) + `}`, true},
		{"seventeen members", `{"alg":"RS256","kid":"k"` + manyMembers(15) + `}`, false},
		{"duplicate of an unknown member, J-16", `{"alg":"RS256","kid":"k","n":1,"n":1}`, false},
		{"header nested too deep, J-38", `{"alg":"RS256","kid":"k","n":` + strings.Repeat("[", 100_000), false},
		{"typ null", `{"alg":"RS256","kid":"k","typ":null}`, false},
		{"bad UTF-8", "{\"alg\":\"RS256\",\"kid\":\"k\",\"x\":\"\xff\"}", false},
		{"array", `["RS256"]`, false},
		{"two objects", goodHeader + goodHeader, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := oauth.ParseCompact(compact(tt.header, "{}", "s"))
			if (err == nil) != tt.ok {
				t.Errorf("got error %v, want success %t", err, tt.ok)
			}
		})
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String()
}

func TestParseCompactOutside(t *testing.T) {
	t.Parallel()
	good := compact(goodHeader, "{}", "s") // "cw": four ignored bits in the last character
	tests := []struct{ name, raw string }{
		{"empty", ""},
		{"two dots only, J-37", ".."},
		{"ten million dots, J-37", strings.Repeat(".", 10_000_000)},
		{"ten million letters, J-37", strings.Repeat("A", 10_000_000)},
		{"one byte over 8 KiB, J-36", compactOf(t, oauth.MaxTokenBytes+1)},
		{"two parts", good[:strings.LastIndex(good, ".")]},
		{"four parts, J-45", good + ".cw"},
		{"five parts, JWE, J-39", good + ".cw.cw"},
		{"empty header", good[strings.Index(good, "."):]},
		{"empty signature", good[:strings.LastIndex(good, ".")+1]},
		{"empty payload, J-18", strings.Replace(good, ".e30.", "..", 1)},
		{"ignored bits of the last character, J-44", strings.TrimSuffix(good, "cw") + "cx"},
		{"line break in the signature, J-44", strings.TrimSuffix(good, "cw") + "c\nw"},
		{"line break at the end, J-44", good + "\n"},
		{"carriage return in the payload, J-44", strings.Replace(good, ".e30.", ".e3\r0.", 1)},
		{"padding, J-45", good + "=="},
		{"standard alphabet, J-45", good + "+/"},
		{"leading space, J-45", " " + good},
		{"zero-width space, J-45", good + "\u200b"},
		{"two tokens with a comma, J-52", good + "," + good},
		{"JSON serialization, J-43", `{"protected":"e30","payload":"e30","signature":"cw"}`},
	}
	for _, raw := range []string{good, compactOf(t, oauth.MaxTokenBytes)} {
		if _, err := oauth.ParseCompact(raw); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := oauth.ParseCompact(tt.raw); err == nil {
				t.Errorf("accepted as %+v", got)
			}
		})
	}
}

// J-36, J-37: the length is looked at before anything is decoded or copied.
func TestParseCompactLongTokenCostsNothing(t *testing.T) {
	raw := strings.Repeat("A.", 4<<20)

	allocs := testing.AllocsPerRun(10, func() { _, _ = oauth.ParseCompact(raw) })

	if allocs > 1 { // the error
		t.Errorf("%v allocations for a token of 8 MiB", allocs)
	}
}

func TestTypIs(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"at+jwt": true, "AT+JWT": true, "application/at+jwt": true, "Application/AT+jwt": true,
		"": false, "JWT": false, "rt+jwt": false, "xat+jwt": false, "at+jwt ": false, " at+jwt": false,
		"text/at+jwt": false, "application/": false, "application/application/at+jwt": false,
		"at+jwt;v=1": false, "application/ at+jwt": false, "/at+jwt": false,
	}
	for typ, want := range tests {
		if got := oauth.TypIs(typ, "at+jwt"); got != want {
			t.Errorf("J-27: TypIs(%q) = %t, want %t", typ, got, want)
		}
	}
}

func TestDecodeClaims(t *testing.T) {
	t.Parallel()
	got, err := oauth.DecodeClaims([]byte(" \t\r\n" + `{"sub":"u1","Sub":"admin","exp":1.5e3,"e":-0,"b":[true,false,null,[],{}],` +
		`"o":{"sub":"x"},"s":"\"\\\/\b\f\n\r\t\u00e9\ud83d\uDE00é","":0}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]any{
		"sub": "u1", "Sub": "admin", "exp": json.Number("1.5e3"), "e": json.Number("-0"),
		"b": []any{true, false, nil, []any{}, map[string]any{}},
		"o": map[string]any{"sub": "x"}, "s": "\"\\/\b\f\n\r\té😀é", "": json.Number("0"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Members are boxed sixteen at a time; none is lost at a seam, and a duplicate is seen across one.
func TestDecodeClaimsOfAnyNumber(t *testing.T) {
	t.Parallel()
	for n := range 70 {
		want := make(map[string]any)
		var b strings.Builder
		for i := range n {
			text, number := fmt.Sprintf("s%d", i), fmt.Sprintf("n%d", i)
			want[text], want[number] = text+"!", json.Number(fmt.Sprint(i))
			fmt.Fprintf(&b, `,%q:%q,%q:%d`, text, text+"!", number, i)
		}
		members := strings.TrimPrefix(b.String(), ",")

		got, err := oauth.DecodeClaims([]byte("{" + members + "}"))
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d of each: %s", n, diff)
		}
		if n == 0 {
			continue
		}
		for _, again := range []string{`,"s0":"s0!"}`, `,"n0":0}`, `,"s0":0}`, `,"n0":null}`} {
			if _, err := oauth.DecodeClaims([]byte("{" + members + again)); err == nil {
				t.Errorf("%d of each and %s: accepted", n, again)
			}
		}
	}
}

func TestDecodeClaimsRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, payload string }{
		{"duplicate sub, J-16", `{"sub":"u1","sub":"admin"}`},
		{"duplicate exp, J-16", `{"exp":1,"exp":2}`},
		{"duplicate by escape, J-16", `{"sub":"a","s\u0075b":"b"}`},
		{"duplicate in a nested object, J-16", `{"a":[{"b":{"c":1,"c":1}}]}`},
		{"second object, J-18", `{}{}`},
		{"trailing letters, J-18", `{} x`},
		{"trailing NUL, J-18", "{}\x00"},
		{"string, J-18", `"str"`},
		{"array, J-18", `[]`},
		{"number, J-18", `1`},
		{"null, J-18", `null`},
		{"empty, J-18", ``},
		{"white space, J-18", `  `},
		{"byte order mark", "\ufeff{}"},
		{"raw 0xFF, J-33", "{\"sub\":\"\xff\"}"},
		{"overlong NUL, J-33", "{\"sub\":\"\xc0\x80\"}"},
		{"raw surrogate, J-33", "{\"sub\":\"\xed\xa0\x80\"}"},
		{"unpaired high surrogate, J-33", `{"sub":"\ud800"}`},
		{"unpaired low surrogate, J-33", `{"sub":"\udc00"}`},
		{"high surrogate twice, J-33", `{"sub":"\ud800\ud800"}`},
		{"high surrogate and a letter, J-33", `{"sub":"\ud800\u0041"}`},
		{"high surrogate and an escape, J-33", `{"sub":"\ud800\n"}`},
		{"surrogate cut short", `{"sub":"\ud800\u`},
		{"escape cut short", `{"sub":"\u00`},
		{"escape with a sign", `{"sub":"\u+041"}`},
		{"escape with an underscore", `{"sub":"\u0_41"}`},
		{"unknown escape", `{"sub":"\x41"}`},
		{"backslash at the end", `{"sub":"\`},
		{"control character", "{\"sub\":\"a\nb\"}"},
		{"control character after an escape", "{\"sub\":\"\\n\n\"}"},
		{"33 levels, J-38", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`},
		{"33 objects, J-38", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33)},
		{"100 000 levels, J-38", `{"a":` + strings.Repeat("[", 100_000)},
		{"leading zero", `{"a":01}`},
		{"plus sign", `{"a":+1}`},
		{"lonely minus", `{"a":-}`},
		{"no digits after the point", `{"a":1.}`},
		{"no digits before the point", `{"a":.5}`},
		{"no exponent", `{"a":1e}`},
		{"no exponent after the sign", `{"a":1e+}`},
		{"NaN", `{"a":NaN}`},
		{"hexadecimal", `{"a":0x10}`},
		{"word cut short", `{"a":tru}`},
		{"trailing comma", `{"a":1,}`},
		{"leading comma", `{,"a":1}`},
		{"comma in place of a colon", `{"a",1}`},
		{"missing comma", `{"a":1 "b":2}`},
		{"missing comma in an array", `{"a":[1 2]}`},
		{"trailing comma in an array", `{"a":[1,]}`},
		{"name without quotes", `{a:1}`},
		{"single quotes", `{'a':1}`},
		{"comment", `{/**/}`},
		{"open object", `{"a":1`},
		{"open array", `{"a":[1`},
		{"open string", `{"a":"b`},
		{"brace closed by bracket", `{"a":1]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := oauth.DecodeClaims([]byte(tt.payload)); err == nil {
				t.Errorf("accepted as %v", got)
			}
		})
	}
}

func TestNumericDate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		claim any
		want  time.Time // zero: refused
	}{
		{"whole seconds", json.Number("1700000000"), time.Unix(1700000000, 0)},
		{"fraction, J-21", json.Number("1700000000.5"), time.Unix(1700000000, 5e8)},
		{"exponent", json.Number("17e8"), time.Unix(1700000000, 0)},
		{"last second of 9999", json.Number("253402300799"), time.Unix(253402300799, 0)},
		{"year 10000, J-22", json.Number("253402300800"), time.Time{}},
		{"string, J-20", "9999999999", time.Time{}},
		{"float64 did not come from DecodeClaims", 1.7e9, time.Time{}},
		{"1e300, J-20", json.Number("1e300"), time.Time{}},
		{"1e400, J-20", json.Number("1e400"), time.Time{}},
		{"-1e400, J-20", json.Number("-1e400"), time.Time{}},
		{"largest int64, J-20", json.Number("9223372036854775807"), time.Time{}},
		{"beyond int64, J-20", json.Number("9223372036854775808"), time.Time{}},
		{"negative, J-20", json.Number("-1"), time.Time{}},
		{"zero, J-20", json.Number("0"), time.Time{}},
		{"negative zero, J-20", json.Number("-0"), time.Time{}},
		{"true, J-20", true, time.Time{}},
		{"array, J-20", []any{json.Number("1")}, time.Time{}},
		{"null, J-19", nil, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oauth.NumericDate(tt.claim)
			if !got.Equal(tt.want) || (err == nil) == tt.want.IsZero() {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// An accepted token has one spelling: encoding its parts again gives the same bytes.
func FuzzParseCompact(f *testing.F) {
	f.Add(compact(goodHeader, "{}", "s"))
	f.Add(compact(`{"alg":"none"}`, "{}", ""))
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := oauth.ParseCompact(raw)
		if err != nil {
			return
		}
		enc := base64.RawURLEncoding.EncodeToString
		header, _, _ := strings.Cut(raw, ".")
		if again := header + "." + enc(c.Payload) + "." + enc(c.Signature); again != raw {
			t.Errorf("%q is another spelling of %q", raw, again)
		}
		read, err := base64.RawURLEncoding.DecodeString(header)
		if err != nil {
			t.Fatal(err)
		}
		members, err := oauth.DecodeClaims(read)
		if err != nil || c.Kid == "" || members["kid"] != c.Kid || members["alg"] != "RS256" || members["crit"] != nil {
			t.Errorf("accepted header %v, %v", members, err)
		}
	})
}

// What DecodeClaims accepts, encoding/json reads as the same; and what encoding/json can read, DecodeClaims
// accepts after encoding/json has written it again (without duplicates and bad UTF-8), unless it is too deep.
func FuzzDecodeClaims(f *testing.F) {
	f.Add([]byte(`{"sub":"u","exp":1.5,"aud":["a","b"],"o":{"n":null}}`))
	f.Add([]byte(`{"a":"\ud83d\ude00\ud800","a":-0e+1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		theirs, theirErr := decodeLeniently(payload)
		ours, err := oauth.DecodeClaims(payload)
		if err == nil && (theirErr != nil || !utf8.Valid(payload) || !reflect.DeepEqual(ours, theirs)) {
			t.Fatalf("got %v, encoding/json %v, %v", ours, theirs, theirErr)
		}
		if theirErr != nil || theirs == nil || depth(theirs) > 32 {
			return
		}
		again, err := json.Marshal(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if ours, err = oauth.DecodeClaims(again); err != nil || !reflect.DeepEqual(ours, theirs) {
			t.Errorf("%s: got %v, %v, want %v", again, ours, err, theirs)
		}
	})
}

func decodeLeniently(payload []byte) (map[string]any, error) {
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("more")
	}
	return m, nil
}

func depth(v any) int {
	var children []any
	switch v := v.(type) {
	case map[string]any:
		for _, c := range v {
			children = append(children, c)
		}
	case []any:
		children = v
	default:
		return 0
	}
	deepest := 0
	for _, c := range children {
		deepest = max(deepest, depth(c))
	}
	return deepest + 1
}

func BenchmarkParseCompact(b *testing.B) {
	raw := compact(goodHeader, `{"iss":"https://as.example","sub":"usr_1","aud":"api","exp":1700000600,"iat":1700000000,"jti":"j"}`, strings.Repeat("s", 256))
	b.ReportAllocs()
	for b.Loop() {
		c, err := oauth.ParseCompact(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Claims(); err != nil {
			b.Fatal(err)
		}
	}
}

// RFC 7523 §3: a client's key need have no kid, and may be of another kind; the rest is as
// strict.
func TestParseAssertion(t *testing.T) {
	t.Parallel()
	segment := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name, header string
		ok           bool
	}{
		{"one alg", `{"alg":"RS256","kid":"1"}`, true},
		{"another alg", `{"alg":"ES256","kid":"1"}`, true},
		{"no kid", `{"alg":"ES256"}`, true},
		{"an alg that is not allowed", `{"alg":"PS256"}`, false},
		{"C-18: alg none", `{"alg":"none"}`, false},
		{"no alg", `{"kid":"1"}`, false},
		{"an empty kid", `{"alg":"RS256","kid":""}`, false},
		{"a kid that breaks the line of a log", `{"alg":"RS256","kid":"1\n2"}`, false},
		{"a kid of 257 bytes", `{"alg":"RS256","kid":"` + strings.Repeat("k", 257) + `"}`, false},
		{"alg twice", `{"alg":"RS256","alg":"ES256"}`, false},
		{"jku", `{"alg":"RS256","jku":"https://evil.example"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := oauth.ParseAssertion(segment(tt.header)+"."+segment("{}")+"."+segment("sig"), "RS256", "ES256")
			if (err == nil) != tt.ok || tt.ok && !strings.Contains(tt.header, c.Alg) {
				t.Errorf("alg %q, %v; want ok %v", c.Alg, err, tt.ok)
			}
		})
	}
}
