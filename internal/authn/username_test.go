package authn

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-authd/authd/internal/oauth"
)

// B-18: look-alikes are refused or one account.
func TestParseUsername(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in   string
		key, shown string // "" means refused
	}{
		{"plain", "admin", "admin", "admin"},
		{"case is one account, RFC 8265 §3.3.2", "ADMIN", "admin", "ADMIN"},
		{"full width is one account, RFC 8265 §3.3.2", "ａｄｍｉｎ", "admin", "admin"},
		{"space around is left out", " admin \t", "admin", "admin"},
		{"a dot at the end is another name", "admin.", "admin.", "admin."},
		{"e-mail address", "Alice@Example.com", "alice@example.com", "Alice@Example.com"},
		{"composed and decomposed are one account", "rene\u0301", "ren\u00e9", "ren\u00e9"},
		{"Hangul", "홍길동", "홍길동", "홍길동"},
		{"Hangul with Latin", "홍gildong", "홍gildong", "홍gildong"},
		{"wholly Cyrillic", "админ", "админ", "админ"},
		{"Cyrillic а among Latin letters, UTS #39", "аdmin", "", ""},
		{"empty", "", "", ""},
		{"only space", "   ", "", ""},
		{"space inside", "ad min", "", ""},
		{"zero width space", "ad\u200bmin", "", ""},
		{"zero width joiner", "ad\u200dmin", "", ""},
		{"byte order mark", "\ufeffadmin", "", ""},
		{"soft hyphen", "ad\u00admin", "", ""},
		{"control character", "ad\x00min", "", ""},
		{"line break inside", "ad\nmin", "", ""},
		{"right-to-left override", "\u202enimda", "", ""},
		{"ligature", "ﬁsh", "", ""},
		{"not UTF-8", "ad\xffmin", "", ""},
		{"255 bytes", strings.Repeat("a", 255), strings.Repeat("a", 255), strings.Repeat("a", 255)},
		{"256 bytes", strings.Repeat("a", 256), "", ""},
		{"a megabyte", strings.Repeat("a", 1<<20), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got, err := parseUsername(tt.in)

			if want := (username{shown: tt.shown, key: tt.key}); got != want {
				t.Errorf("got %+v, want %+v (%v)", got, want, err)
			}
			if tt.key == "" && code(t, err) != oauth.InvalidRequest {
				t.Errorf("got %v, want invalid_request", err)
			}
		})
	}
}

func FuzzCanonicalUsername(f *testing.F) {
	for _, s := range []string{"admin", "ＡＤＭＩＮ ", "аdmin", "ΣΑΣ", "İstanbul", "שלום", "a\u0301\u0327", "\u1e9e", "홍길동", "a@b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseUsername(s)
		if err != nil {
			return
		}
		if !oauth.IsText(u.shown) || !utf8.ValidString(u.key) || len(u.key) > maxUsernameBytes || strings.ContainsAny(u.key, " \t\u200b") {
			t.Errorf("%q became %+q, which cannot be stored or looks like another", s, u)
		}
		for _, form := range []string{u.key, u.shown, " " + s + " "} {
			if again, err := parseUsername(form); err != nil || again.key != u.key {
				t.Errorf("%q is %q, but %q is %q (%v)", s, u.key, form, again.key, err)
			}
		}
	})
}
