package pages

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-authd/authd/internal/oauth"
)

func TestCataloguesHaveTheSameTexts(t *testing.T) {
	t.Parallel()
	for _, lang := range languages {
		for key, s := range catalogue(lang) {
			if strings.TrimSpace(s) != s || s == "" {
				t.Errorf("%s: %s: %q", lang, key, s)
			}
			for _, other := range languages {
				if o, ok := catalogue(other)[key]; !ok || strings.Count(o, "{}") != strings.Count(s, "{}") {
					t.Errorf("%s is in %s as %q, in %s as %q", key, lang, s, other, o)
				}
			}
		}
	}
	for key, s := range textsKO {
		if key != "date" && strings.Trim(s, "{}") != "" && !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Hangul, r) }) {
			t.Errorf("%s is not translated: %q", key, s)
		}
	}
}

// allProblems and their like are what keys are made of at run time.
var (
	allProblems = []Problem{
		InvalidCredentials, TooManyAttempts, Unavailable, UsernameTaken, InvalidUsername, WeakPassword, Mismatch, Missing, Stale, SignInAgain,
	}
	allDone  = []Done{Ended, EndedOthers, Removed, PasswordChanged}
	allCodes = []string{
		string(oauth.InvalidRequest), string(oauth.InvalidClient), string(oauth.AccessDenied), string(oauth.NotFound),
		string(oauth.TooManyAttempts), string(oauth.TemporarilyUnavailable), Expired, CrossSite, "other",
	}
	allScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access", "read", "write"}
)

func TestEveryTextIsUsedAndEveryUseHasAText(t *testing.T) {
	t.Parallel()
	used := usedKeys(t)

	for _, key := range slices.Sorted(maps.Keys(used)) {
		if textsEN[key] == "" {
			t.Errorf("no text has the key %s", key)
		}
	}
	for key := range textsEN {
		if !used[key] {
			t.Errorf("nothing uses the text %s", key)
		}
	}
}

func usedKeys(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{"problem.other": true, "problem.account.invalid_credentials": true}
	collect(t, used, "templates/*.html", regexp.MustCompile(`\b(?:t|around) "([a-z_.]*[a-z_])"`))
	collect(t, used, "text.go", regexp.MustCompile(`(?:c\[|c\.text\(|c\.count\()"([a-z_.]*[a-z_])"`))
	for _, key := range []string{"ago.minutes", "ago.hours", "ago.days"} {
		used[key+".one"] = true
	}
	for _, p := range allProblems {
		used["problem."+string(p)] = true
	}
	for _, d := range allDone {
		used["done."+string(d)] = true
	}
	for _, c := range allCodes {
		used["error."+c+".title"], used["error."+c+".text"] = true, true
	}
	for _, s := range allScopes {
		used["scope."+s] = true
	}
	return used
}

func collect(t *testing.T, used map[string]bool, pattern string, key *regexp.Regexp) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(b), -1) {
			used[m[1]] = true
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, uiLocales string
		accept          []string
		want            string
	}{
		{name: "nothing is asked for", want: "en"},
		{name: "a Korean browser", accept: []string{"ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"}, want: "ko"},
		{name: "an English browser that knows Korean", accept: []string{"en-US,en;q=0.9,ko;q=0.8"}, want: "en"},
		{name: "weights count, not the order", accept: []string{"en;q=0.1, ko;q=0.9"}, want: "ko"},
		{name: "a language that is not here, then Korean", accept: []string{"fr-FR,fr;q=0.9,ko;q=0.1"}, want: "ko"},
		{name: "languages that are not here", accept: []string{"fr,de;q=0.5"}, want: "en"},
		{name: "Korean is not wanted (RFC 9110 §12.5.4)", accept: []string{"ko;q=0"}, want: "en"},
		{name: "any", accept: []string{"*"}, want: "en"},
		{name: "several header lines are one", accept: []string{"fr", "ko"}, want: "ko"},
		{name: "a header that is none", accept: []string{";;;q=,\xff"}, want: "en"},
		{name: "capitals", accept: []string{"KO-kr"}, want: "ko"},
		{name: "a script and a region", accept: []string{"ko-Kore-KP"}, want: "ko"},
		{name: "ui_locales goes before the header (OpenID Connect Core §3.1.2.1)", uiLocales: "ko en", accept: []string{"en"}, want: "ko"},
		{name: "ui_locales is in order of preference", uiLocales: "fr-CA en ko", accept: []string{"ko"}, want: "en"},
		{name: "ui_locales that are not here leave it to the header", uiLocales: "fr de", accept: []string{"ko"}, want: "ko"},
		{name: "ui_locales that are none leave it to the header", uiLocales: "<script>", accept: []string{"ko"}, want: "ko"},
		{name: "a header without an end is cut off between two items", accept: []string{"ko," + strings.Repeat("fr-FR,", 10_000)}, want: "ko"},
		{name: "an item without an end", accept: []string{strings.Repeat("a", 10_000) + ",ko"}, want: "en"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := choose(tt.uiLocales, tt.accept); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzLanguage(f *testing.F) {
	f.Add("ko en", "ko-KR,ko;q=0.9")
	f.Add("", "en-u-co-phonebk-x-y;q=0.333, *;q=0")
	f.Add("a-b-c-d-e-f", strings.Repeat("x-", 300))
	f.Fuzz(func(t *testing.T, uiLocales, accept string) {
		if lang := choose(uiLocales, []string{accept}); !slices.Contains(languages, lang) {
			t.Errorf("%q", lang)
		}
	})
}

func TestTimesAreToldWithoutAZone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 0, 30, 0, 0, time.FixedZone("KST", 9*3600))
	tests := []struct {
		before time.Duration
		en, ko string
	}{
		{-time.Hour, "just now", "방금 전"}, // another server's clock
		{59 * time.Second, "just now", "방금 전"},
		{time.Minute, "1 minute ago", "1분 전"},
		{59 * time.Minute, "59 minutes ago", "59분 전"},
		{time.Hour, "1 hour ago", "1시간 전"},
		{23 * time.Hour, "23 hours ago", "23시간 전"},
		{24 * time.Hour, "yesterday", "1일 전"},
		{29 * 24 * time.Hour, "29 days ago", "29일 전"},
		{30 * 24 * time.Hour, "21 October 2026", "2026년 10월 21일"},
	}
	for _, tt := range tests {
		for lang, want := range map[string]string{"en": tt.en, "ko": tt.ko} {
			if got, err := catalogue(lang).ago(now, now.Add(-tt.before)); err != nil || got != want {
				t.Errorf("%v before, %s: %q, %v, want %q", tt.before, lang, got, err, want)
			}
		}
	}
	if got, err := textsEN.ago(now, time.Time{}); err != nil || got != "" {
		t.Errorf("no time: %q, %v", got, err)
	}
}
