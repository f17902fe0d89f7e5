package authn

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-authd/authd/internal/oauth"
)

func TestCheckNewPassword(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, password string
		ok             bool
	}{
		{"four words", right, true},
		{"no rule about kinds of characters, SP 800-63B-4 §3.1.1.2", "zebraplumagemarina", true},
		{"Hangul", "파란고래가밤마다노래부르는등대", true},
		{"7 characters", "fj3k9dm", false},
		{"8 characters", "fj3k9dm2", false},
		{"14 characters, SP 800-63B-4 §3.1.1.2", "fj3k9dm2wq0zpx", false},
		{"15 characters", "fj3k9dm2wq0zpxr", true},
		{"15 characters of three bytes each count as 15", strings.Repeat("한", 4) + "글날비구름바람별빛물", false},
		{"64 characters", strings.Repeat("k7", 3) + strings.Repeat("fj3k9dm2wq", 6)[:58], true},
		{"1024 bytes", strings.Repeat("fj3k9dm2wq0zpxrt", 64), true},
		{"1025 bytes", strings.Repeat("fj3k9dm2wq0zpxrt", 64) + "x", false},
		{"not UTF-8", "fj3k9dm2wq0zpxr\xff", false},
		{"common, twice", "passwordpassword", false},
		{"common, with digits", "password1234567", false},
		{"common, disguised", "P@ssw0rdP@ssw0rd", false},
		{"one letter", strings.Repeat("a", 40), false},
		{"sequence", "123456789012345", false},
		{"keyboard", "qwertyuiopasdfgh", false},
		{"alphabet", "abcdefghijklmnop", false},
		{"the user name", "margarethe.vonau", false},
		{"the user name in another case with a digit", "Margarethe.VonAu1", false},
		{"the e-mail address", "mva@example.organisation", false},
		{"parts of the e-mail address", "organisationmva", false},
		{"the service", "authdauthdauthd", false},
		{"a common word, a year, the word again", "Summer2026!Summer", false},
		{"a repetition that breaks off", "hunter2hunter2hunt", false},
		{"four common words", "tigermonkeydragonpepper", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			err := checkNewPassword(tt.password, "margarethe.vonau", "mva@example.organisation", "")

			if (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
			if err != nil && code(t, err) != oauth.WeakPassword {
				t.Errorf("got %v, want weak_password", err)
			}
		})
	}
}

// ASVS 6.2.4: at least the 3000 most common passwords. Most are too short anyhow; made
// long enough by repeating them, by digits or by signs, they are still refused.
func TestCommonPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	if n := len(commonPasswords()); n < 3000 {
		t.Fatalf("the list has %d passwords, want 3000 at least", n)
	}

	for i, p := range slices.Sorted(maps.Keys(commonPasswords())) {
		forms := []string{p, p + p + p + p + p}
		if i%20 == 0 { // a quarter of a millisecond each
			forms = append(forms, p+"1234567890123", strings.ToUpper(p)+"!!!!!!!!!!!!2026", p+" "+p+" "+p)
		}
		for _, form := range forms {
			if err := checkNewPassword(form); err == nil {
				t.Errorf("%q is accepted", form)
			}
		}
	}
}

func FuzzCheckNewPassword(f *testing.F) {
	for _, s := range []string{right, "passwordpassword", "한글비밀번호", "İİİİİİİİİİİİİİİİİ", "4@8({[<36!1|05$79%24@8({[<36!1|05$79%2", "\xff", "ﷺﷺﷺﷺﷺﷺ"} {
		f.Add(s, "alice")
	}
	f.Fuzz(func(t *testing.T, password, known string) {
		if err := checkNewPassword(password, known); err != nil {
			return
		}
		if n := utf8.RuneCountInString(normalise(password)); n < MinPassword || len(password) > maxPasswordBytes {
			t.Errorf("accepted a password of %d characters, %d bytes", n, len(password))
		}
	})
}
