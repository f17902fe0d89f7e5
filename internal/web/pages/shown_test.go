package pages

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWhatOthersWroteIsShownClean(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"an ordinary name", "Orders & Returns", "Orders & Returns"},
		{"a Korean name", "주문 관리", "주문 관리"},
		{"markup is text, for the template to escape", "<b>x</b>", "<b>x</b>"},
		{"overrides of direction (W-08)", "a\u202eb\u2066c\u200fd", "abcd"},
		{"control characters", "a\x00b\x1bc\u0085d\u2028e", "abc d e"},
		{"spaces of all kinds are one", "  a\u00a0\u3000\t\nb  ", "a b"},
		{"characters without a look", "a\u200b\u3164\u115f\u2800\ufeffb", "ab"},
		{"invalid UTF-8", "a\xff\xc3b", "ab"},
		{"a pile of accents", "a" + strings.Repeat("\u0301", 50), "a\u0301\u0301\u0301"},
		{"a pile in which something hides", "a\u0301\u0301\u200b\u0301\u0301\xff\u0301", "a\u0301\u0301\u0301"},
		{"nothing that can be seen", "\u202e\u200b ", ""},
		{"as long as may be", strings.Repeat("a", maxName), strings.Repeat("a", maxName)},
		{"too long", strings.Repeat("가", maxName+1), strings.Repeat("가", maxName-1) + "…"},
		{"too long, with a space at the cut", strings.Repeat("a", maxName-2) + " bcd", strings.Repeat("a", maxName-2) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := shown(tt.in, maxName); got != tt.want {
				t.Errorf("%+q, want %+q", got, tt.want)
			}
		})
	}
}

func FuzzShown(f *testing.F) {
	f.Add("Orders\u202e\xff  x", 5)
	f.Add(strings.Repeat("e\u0301\u0302\u0303\u0304", 40), 60)
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 1 || most > 1000 {
			return
		}
		got := shown(s, most)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > most || strings.TrimSpace(got) != got {
			t.Errorf("%+q", got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%+q at %d", got, i)
		}
		if again := shown(got, most); again != got {
			t.Errorf("%+q, then %+q", got, again)
		}
	})
}

func TestAHostIsCutAtTheFront(t *testing.T) {
	t.Parallel()
	host := strings.Repeat("login.bank.example.", 10) + "evil.example"

	got := shownHost(host)

	if !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, ".evil.example") || utf8.RuneCountInString(got) != maxHost {
		t.Errorf("%q: its end says whose it is", got)
	}
	if got := shownHost("app.example:8443"); got != "app.example:8443" {
		t.Errorf("%q", got)
	}
}

func TestANameThatIsTooLongDoesNotComeBack(t *testing.T) {
	t.Parallel()
	if got := typed(strings.Repeat("a", maxUsername)); len(got) != maxUsername {
		t.Errorf("%d characters", len(got))
	}
	if got := typed(strings.Repeat("a", maxUsername+1)); got != "" {
		t.Errorf("%q", got)
	}
}

func TestLinksLeadToTheWebOnly(t *testing.T) {
	t.Parallel()
	tests := []struct{ uri, want string }{
		{"https://shop.example/a?b=c", "https://shop.example/a?b=c"},
		{"http://127.0.0.1:8080/", "http://127.0.0.1:8080/"},
		{"http://localhost/", "http://localhost/"},
		{"http://shop.example/", ""},
		{"javascript:alert(1)", ""},
		{"JaVaScRiPt:alert(1)", ""},
		{"javascript://shop.example/%0aalert(1)", ""},
		{"data:image/svg+xml,<svg onload=alert(1)>", ""},
		{"data:text/html,x", ""},
		{"vbscript:x", ""},
		{"//evil.example", ""},
		{`/\evil.example`, ""},
		{"https:evil.example", ""},
		{"https://shop.example@evil.example/", ""},
		{"https://sh\u0430p.example/", ""}, // Cyrillic
		{"https://%73hop.example/\n", ""},
		{"com.example.app:/x", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := webURI(tt.uri); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.uri, got, tt.want)
		}
	}
}

func TestUserAgentsAreNamed(t *testing.T) {
	t.Parallel()
	const kit = " AppleWebKit/537.36 (KHTML, like Gecko) "
	tests := []struct{ agent, want string }{
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + kit + "Chrome/142.0.0.0 Safari/537.36", "Chrome · Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + kit + "Chrome/142.0.0.0 Safari/537.36 Edg/142.0", "Edge · Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + kit + "Chrome/142.0.0.0 Whale/4.30 Safari/537.36", "Whale · Windows"},
		{"Mozilla/5.0 (Linux; Android 10; K)" + kit + "SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36", "Samsung Internet · Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)" + kit + "Version/19.0 Mobile/15E148 Safari/604.1", "Safari · iPhone"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)" + kit + "CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome · iPhone"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" + kit + "Version/19.0 Safari/605.1.15", "Safari · macOS"},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox · Linux"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" + kit + "Chrome/142.0.0.0 Safari/537.36", "Chrome · ChromeOS"},
		{"Mozilla/5.0 (Unknown) Firefox/1.0", "Firefox"},
		{"orders/1.4 (Linux; Chrome/1)", "orders/1.4 (Linux; Chrome/1)"},
		{strings.Repeat("x", 200), strings.Repeat("x", maxAgent-1) + "…"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := agent(tt.agent); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.agent, got, tt.want)
		}
	}
}
