package authd_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/go-authd/authd"

// room is what a package may import beside the standard library, internal/oauth and its own
// subpackages. A package of internal/ without a room fails the test: give it one, or a better place.
type room struct {
	ours   []string // packages of this module, relative to it; "…" at the end stands for everything below
	theirs []string // modules of others
	never  []string // packages of the standard library
}

var rooms = map[string]room{
	"": {
		ours: []string{
			"api", "sql", "internal/web", "internal/grants", "internal/clients", "internal/authn",
			"internal/tokens", "internal/keys", "internal/feed", "internal/db", "internal/migrate", "internal/outbound", "internal/backchannel",
		},
		theirs: []string{jose, pgxv5, chi, xcrypto, xsync},
	},
	"cmd/authd": {
		ours:   []string{"", "rs", "sql", "internal/pglocal"},
		theirs: []string{kong, yaml, prometheus, otel, pgxv5, xsync, xsys, xterm},
	},
	"internal/oauth": {},
	"internal/web": {
		ours:   []string{"api", "internal/grants", "internal/clients", "internal/authn", "internal/tokens", "internal/keys", "internal/feed"},
		theirs: []string{chi, cors, xsync},
	},
	"internal/web/pages": {theirs: []string{xtext}},
	"internal/feed": {
		ours:  []string{"internal/db"},
		never: []string{"net/http"},
	},
	"internal/grants": {
		ours:   []string{"internal/clients", "internal/authn", "internal/tokens", "internal/keys", "internal/db"},
		theirs: []string{xsync},
		never:  []string{"net/http"},
	},
	"internal/clients": {
		ours:   []string{"internal/tokens", "internal/keys", "internal/db"},
		theirs: []string{jose, xsync},
		never:  []string{"net/http"},
	},
	"internal/outbound": {},
	"internal/backchannel": {
		ours:  []string{"internal/tokens", "internal/db"},
		never: []string{"net/http"},
	},
	"internal/authn": {
		ours:   []string{"internal/tokens", "internal/keys", "internal/db"},
		theirs: []string{argon2id, xcrypto, xsync, xtext},
		never:  []string{"net/http"},
	},
	"internal/tokens": {
		ours:   []string{"internal/keys", "internal/db", "internal/failpoint"},
		theirs: []string{jose, xsync},
		never:  []string{"net/http"},
	},
	"internal/keys": {
		ours:   []string{"internal/db", "internal/openssl"},
		theirs: []string{jose, xsync},
		never:  []string{"net/http"},
	},
	"internal/db":               {ours: []string{"internal/failpoint"}, theirs: []string{pgxv5}, never: []string{"net/http", "database/sql"}},
	"internal/failpoint":        {never: []string{"net/http"}},
	"internal/mutants":          {theirs: []string{txtar}},
	"internal/openssl":          {never: []string{"net/http"}},
	"internal/migrate":          {ours: []string{"sql"}, theirs: []string{goose, pgxv5}},
	"internal/pglocal":          {theirs: []string{pgxv5, xsys, xsync}},
	"internal/dbtest":           {ours: []string{"sql", "internal/db", "internal/migrate", "internal/pglocal"}, theirs: []string{pgxv5, goleak}},
	"internal/keys/hooktest":    {},
	"internal/keys/mutants":     {ours: []string{"internal/mutants"}},
	"internal/keys/keystest":    {ours: []string{"internal/keys", "internal/db", "internal/dbtest"}, theirs: []string{pgxv5}},
	"internal/dbtest/pgwire":    {},
	"internal/dbtest/dbtestrun": {ours: []string{"internal/pglocal"}},
	"api":                       {},
	"sql":                       {},
	"rs":                        {theirs: []string{jose}},
	"authdtest":                 {theirs: []string{jose}},
	"examples/…":                {ours: []string{"", "rs", "sql", "authdtest"}, theirs: []string{"…"}},
	"bench":                     {ours: []string{"…"}, theirs: []string{"…"}},
}

const (
	argon2id   = "github.com/alexedwards/argon2id"
	chi        = "github.com/go-chi/chi/v5"
	cors       = "github.com/go-chi/cors"
	goleak     = "go.uber.org/goleak"
	goose      = "github.com/pressly/goose/v3"
	jose       = "github.com/go-jose/go-jose/v4"
	kong       = "github.com/alecthomas/kong"
	otel       = "go.opentelemetry.io"
	pgxv5      = "github.com/jackc/pgx/v5"
	prometheus = "github.com/prometheus/client_golang"
	txtar      = "github.com/rogpeppe/go-internal"
	xcrypto    = "golang.org/x/crypto"
	xsync      = "golang.org/x/sync"
	xsys       = "golang.org/x/sys"
	xterm      = "golang.org/x/term"
	xtext      = "golang.org/x/text"
	yaml       = "github.com/goccy/go-yaml"
)

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath  string
	Standard    bool
	DepOnly     bool // reached through others, not one of ./...
	Imports     []string
	Deps        []string
	TestGoFiles []string // those of the package itself, not of its _test
}

// S1-01, M-27: what the modules depend on is written down, and nothing else.
func TestImports(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)

	for _, complaint := range complaints(packages) {
		t.Error(complaint)
	}
}

// The rules are worth what they catch: each line is a package that breaks one of them.
func TestImportRulesCatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		pkg  listed
		want []string
	}{
		{"web reaches for SQL", listed{ImportPath: module + "/internal/web", Imports: []string{module + "/internal/db"}}, []string{"internal/web must not import internal/db"}},
		{"web reaches for pgx", listed{ImportPath: module + "/internal/web", Imports: []string{pgxv5 + "/pgconn"}}, []string{"internal/web must not import " + pgxv5 + "/pgconn"}},
		{"tokens speak HTTP", listed{ImportPath: module + "/internal/tokens", Imports: []string{"net/http"}}, []string{"internal/tokens must not import net/http"}},
		{"tokens speak HTTP by a subpackage", listed{ImportPath: module + "/internal/tokens", Imports: []string{"net/http/httptest"}}, []string{"internal/tokens must not import net/http/httptest"}},
		{"clients and authn are strangers", listed{ImportPath: module + "/internal/clients", Imports: []string{module + "/internal/authn"}}, []string{"internal/clients must not import internal/authn"}},
		{"the server imports the SDK", listed{ImportPath: module, Imports: []string{module + "/rs"}}, []string{"authd must not import rs"}},
		{"the SDK imports the server", listed{ImportPath: module + "/rs", Imports: []string{module}}, []string{"rs must not import authd"}},
		{"the SDK needs more than go-jose, through others", listed{ImportPath: module + "/rs", Deps: []string{"fmt", jose + "/jwt", yaml}}, []string{"rs must not need " + yaml}},
		{"the command goes past the API", listed{ImportPath: module + "/cmd/authd", Imports: []string{module + "/internal/db"}}, []string{"cmd/authd must not import internal/db"}},
		{"the words need a library", listed{ImportPath: module + "/internal/oauth", Imports: []string{jose}}, []string{"internal/oauth must not import " + jose}},
		{"a package that nobody planned", listed{ImportPath: module + "/internal/util"}, []string{"internal/util has no room in imports_test.go"}},
		{"db is tested from within", listed{ImportPath: module + "/internal/db", TestGoFiles: []string{"db_test.go"}}, []string{"internal/db: db_test.go must be of package db_test"}},
		{"all is well", listed{ImportPath: module + "/internal/tokens", Imports: []string{"fmt", jose + "/jwt", module + "/internal/db", module + "/internal/oauth"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			std := []listed{{ImportPath: "fmt", Standard: true}, {ImportPath: "net/http", Standard: true}, {ImportPath: "net/http/httptest", Standard: true}}

			got := complaints(append(std, tt.pkg))

			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	// -e: a package that does not compile fails elsewhere, with a better message.
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,DepOnly,Imports,Deps,TestGoFiles", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// complaints returns what is wrong, in the order of packages.
func complaints(packages []listed) (all []string) {
	standard := map[string]bool{"C": true}
	for _, p := range packages {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range packages {
		name, mine := relative(p.ImportPath)
		if !mine || p.DepOnly {
			continue
		}
		r, ok := roomOf(name)
		if !ok {
			all = append(all, name+" has no room in imports_test.go")
			continue
		}
		for _, imported := range p.Imports {
			if !r.admits(name, imported, standard[imported]) {
				all = append(all, display(name)+" must not import "+shorten(imported))
			}
		}
		all = append(all, closureComplaints(name, p.Deps, standard)...)
		all = append(all, testComplaints(name, p.TestGoFiles)...)
	}
	return all
}

// closureComplaints holds what a package pulls in through others to the bounds that hosts and
// resource servers were promised.
func closureComplaints(name string, deps []string, standard map[string]bool) (all []string) {
	for _, dep := range deps {
		switch name {
		case "rs", "authdtest":
			if !standard[dep] && !under(dep, jose) && dep != module+"/internal/oauth" {
				all = append(all, name+" must not need "+shorten(dep))
			}
		case "":
			if slices.ContainsFunc([]string{kong, yaml, prometheus, otel}, func(m string) bool { return under(dep, m) }) {
				all = append(all, "authd must not need "+dep)
			}
		}
	}
	return all
}

// testComplaints: dbtest imports db, so a test of package db itself could not use dbtest.
func testComplaints(name string, files []string) (all []string) {
	if name != "internal/db" {
		return nil
	}
	for _, f := range files {
		if f != "export_test.go" {
			all = append(all, "internal/db: "+f+" must be of package db_test")
		}
	}
	return all
}

func (r room) admits(importer, imported string, standard bool) bool {
	if standard {
		return !slices.ContainsFunc(r.never, func(p string) bool { return under(imported, p) })
	}
	name, mine := relative(imported)
	if !mine {
		return slices.Contains(r.theirs, "…") || slices.ContainsFunc(r.theirs, func(m string) bool { return under(imported, m) })
	}
	return name == "internal/oauth" || importer != "" && under(name, importer) ||
		slices.Contains(r.ours, name) || slices.Contains(r.ours, "…")
}

func roomOf(name string) (room, bool) {
	if r, ok := rooms[name]; ok {
		return r, true
	}
	top, _, _ := strings.Cut(name, "/")
	r, ok := rooms[top+"/…"]
	return r, ok
}

func relative(path string) (name string, mine bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func under(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func display(name string) string {
	if name == "" {
		return "authd"
	}
	return name
}

func shorten(path string) string {
	if name, mine := relative(path); mine {
		return display(name)
	}
	return path
}
