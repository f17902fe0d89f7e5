package pages

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the pages in testdata")

// goldens are the views whose pages stand in testdata, by name.
func goldens() map[string]View {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	return map[string]View{
		"sign_in":         SignIn{Action: "/tenant/sign-in", Request: "req", FormToken: "tok", Client: "Orders", RegisterURI: "/tenant/register?request=req"},
		"sign_in_alone":   SignIn{Action: "/tenant/sign-in", FormToken: "tok"},
		"sign_in_hint":    SignIn{Action: "/tenant/sign-in", Request: "req", FormToken: "tok", Client: "Orders", Username: "ada"},
		"sign_in_problem": SignIn{Action: "/tenant/sign-in", Request: "req", FormToken: "tok", Client: "Orders", Username: "ada", Problem: InvalidCredentials},
		"register":        Register{Action: "/tenant/register", Request: "req", FormToken: "tok", Client: "Orders", MinPassword: 15, SignInURI: "/tenant/sign-in"},
		"register_taken":  Register{Action: "/tenant/register", FormToken: "tok", Username: "ada", MinPassword: 15, Problem: UsernameTaken},
		"register_weak":   Register{Action: "/tenant/register", FormToken: "tok", Username: "ada", MinPassword: 15, Problem: WeakPassword},
		"consent": Consent{
			Action: "/tenant/consent", Request: "req", FormToken: "tok", Client: "Orders", ClientURI: "https://orders.example/about",
			Username: "ada", Scopes: []string{"openid", "email", "orders:read"}, RedirectHost: "app.orders.example", CanSwitch: true,
		},
		"consent_more": Consent{
			Action: "/tenant/consent", Request: "req", FormToken: "tok", Client: "Orders",
			Username: "ada", Scopes: []string{"openid", "offline_access"}, NewScopes: []string{"offline_access"},
		},
		"consent_nothing": Consent{Action: "/tenant/consent", FormToken: "tok", Username: "ada"},
		"account": Account{
			Action: "/tenant/account", FormToken: "tok", Username: "ada", Now: now, MinPassword: 15, Done: Ended,
			Devices: []Device{
				{ID: "s1", CreatedAt: now.Add(-30 * time.Hour), LastUsedAt: now, Address: "203.0.113.7", UserAgent: chrome, Current: true},
				{ID: "f2", Client: "Orders", CreatedAt: now.Add(-900 * time.Hour), LastUsedAt: now.Add(-3 * time.Hour), Address: "2001:db8::7", UserAgent: "orders/1.4 (linux)"},
				{ID: "f3", Client: "Report"},
			},
			Apps: []App{{ID: "a1", Client: "Orders", Scopes: []string{"openid", "orders:read"}, AllowedAt: now.Add(-900 * time.Hour)}},
		},
		"account_problem": Account{Action: "/tenant/account", FormToken: "tok", Username: "ada", Now: now, MinPassword: 15, Problem: InvalidCredentials},
		"account_stale":   Account{Action: "/tenant/account", FormToken: "tok", Username: "ada", Now: now, MinPassword: 15, Problem: Stale},
		"sign_out":        SignOut{Action: "/tenant/logout", Request: "req", FormToken: "tok", Client: "Orders", Username: "ada"},
		"signed_out":      SignedOut{Client: "Orders", HomeURI: "https://orders.example/"},
		"signed_out_not":  SignedOut{Stayed: true},
		"error":           Error{Code: "invalid_request", Description: "redirect_uri is not registered", ErrorID: "0123abcd", HomeURI: "https://orders.example/"},
		"error_bare":      Error{},
		"form_post":       FormPost{Action: "https://orders.example/cb", Fields: []Field{{"code", "c0de"}, {"state", `a"b<c>`}}},
	}
}

var contentHash = regexp.MustCompile(`-[0-9a-f]{12}\.`)

func TestPagesAreAsInTestdata(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for name, view := range goldens() {
		for _, lang := range languages {
			t.Run(name+"."+lang, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join("testdata", name+"."+lang+".html")
				got := contentHash.ReplaceAllString(render(t, p, lang, view).Body.String(), "-HASH.")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("-want +got (go test -update rewrites)\n%s", diff)
				}
			})
		}
	}
}

// A page that is no more must not stand in testdata for ever.
func TestTestdataHasNoOtherPages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.html")
	if err != nil {
		t.Fatal(err)
	}
	if want := len(goldens()) * len(languages); len(files) != want {
		t.Errorf("%d pages in testdata, want %d", len(files), want)
	}
}
