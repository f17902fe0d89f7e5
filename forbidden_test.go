package authd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// forbidden is a name of another package that nobody may use, tests included, except in the
// packages that refuse it at run time.
type forbidden struct {
	path, name string // name "*": the import itself, outside tests
	why        string
	except     []string
}

var forbiddenNames = []forbidden{
	{chi + "/middleware", "RealIP", "every client can forge its address: middleware.ClientIPFrom…", nil},
	{chi + "/middleware", "RedirectSlashes", "open redirect, GHSA-3fxj", nil},
	{pgxv5, "QueryExecModeSimpleProtocol", "quotes on the client's side, CVE-2026-41889", []string{"internal/db"}},
	{pgxv5 + "/pgconn", "CancelRequestContextWatcherHandler", "a cancelled commit looks like a durable one", []string{"internal/db"}},
	{"math/rand", "*", "crypto/rand", []string{"bench"}},
	{"math/rand/v2", "*", "crypto/rand", []string{"bench"}},
}

// Of a *http.Request: each of them either reads the query too, so that a secret may come from
// a URL, or hides what a client sent twice or not at all. The web package parses bodies itself.
// rs only looks whether a host that parsed a form before it found a second credential there.
var forbiddenOfRequests = []string{
	"Form", "PostForm", "MultipartForm", "FormValue", "PostFormValue", "FormFile", "ParseForm", "ParseMultipartForm",
}

// bypass is of a *http.CrossOriginProtection: a pattern by which forms of other sites pass, and
// which once matched more than it said (W-18, CVE-2025-47910).
const bypass = "AddInsecureBypassPattern"

func TestForbiddenAPIs(t *testing.T) {
	t.Parallel()

	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (skipped(d.Name()) || exists(filepath.Join(name, "go.mod"))) {
			return filepath.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		found, err := forbiddenUses(filepath.ToSlash(name), source)
		for _, use := range found {
			t.Error(use)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestForbiddenAPIsAreCaught(t *testing.T) {
	t.Parallel()
	const handler = `package p
import "net/http"
func f(r *http.Request) { %s }`
	tests := []struct {
		name, file, source string
		want               []string
	}{
		{"RealIP", "internal/web/routes.go", `package p
import "github.com/go-chi/chi/v5/middleware"
var _ = middleware.RealIP`, []string{"internal/web/routes.go:3: middleware.RealIP"}},
		{"by another name", "internal/web/routes.go", `package p
import m "github.com/go-chi/chi/v5/middleware"
var _ = m.RedirectSlashes`, []string{"internal/web/routes.go:3: m.RedirectSlashes"}},
		{"by no name", "internal/web/routes.go", `package p
import . "github.com/jackc/pgx/v5"`, []string{"internal/web/routes.go:2: import ."}},
		{"simple protocol, in a test too", "wire_test.go", `package p
import "github.com/jackc/pgx/v5"
var _ = pgx.QueryExecModeSimpleProtocol`, []string{"wire_test.go:3: pgx.QueryExecModeSimpleProtocol"}},
		{"simple protocol where it is refused", "internal/db/db.go", `package p
import "github.com/jackc/pgx/v5"
var _ = pgx.QueryExecModeSimpleProtocol`, nil},
		{"cancel request", "wire.go", `package p
import "github.com/jackc/pgx/v5/pgconn"
var _ pgconn.CancelRequestContextWatcherHandler`, []string{"wire.go:3: pgconn.CancelRequestContextWatcherHandler"}},
		{"math/rand", "internal/tokens/mint.go", `package p
import "math/rand/v2"
var _ = rand.Int`, []string{"internal/tokens/mint.go:2: math/rand/v2"}},
		{"math/rand in a test", "internal/tokens/mint_test.go", `package p
import "math/rand/v2"
var _ = rand.Int`, nil},
		{"ParseForm", "internal/web/token.go", fmt.Sprintf(handler, "r.ParseForm()"), []string{"internal/web/token.go:3: r.ParseForm"}},
		{"Form", "internal/web/token.go", fmt.Sprintf(handler, `r.Form.Get("token")`), []string{"internal/web/token.go:3: r.Form"}},
		{"FormValue", "rs/rs.go", fmt.Sprintf(handler, `r.FormValue("token")`), []string{"rs/rs.go:3: r.FormValue"}},
		{"FormValue of a field", "rs/rs.go", `package p
import "net/http"
func f(c struct{ r *http.Request }) { c.r.FormValue("token") }`, []string{"rs/rs.go:3: c.r.FormValue"}},
		{"a way around the check of the origin, W-18", "internal/web/browser.go", `package p
import "net/http"
func f(c *http.CrossOriginProtection) { c.AddInsecureBypassPattern("/login") }`, []string{"internal/web/browser.go:3: c.AddInsecureBypassPattern"}},
		{"a client's http.PostForm is something else", "rs/rs.go", fmt.Sprintf(handler, `http.PostForm("", nil)`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			uses, err := forbiddenUses(tt.file, []byte(tt.source))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, use := range uses {
				use, _, _ = strings.Cut(use, " is forbidden")
				got = append(got, use)
			}

			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func skipped(dir string) bool {
	return strings.HasPrefix(dir, ".") || dir == "testdata" || dir == "node_modules"
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// forbiddenUses goes by import paths and names: it sees no types, so that a selector of a
// variable in a file that imports net/http counts as one of a request.
func forbiddenUses(name string, source []byte) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s := search{name: name, fset: fset, imported: map[string]string{}}
	for _, spec := range file.Imports {
		s.visitImport(spec)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			s.visitSelector(selector)
		}
		return true
	})
	return s.uses, nil
}

// search is the state of forbiddenUses in one file.
type search struct {
	name     string // of the file, relative to the module
	fset     *token.FileSet
	imported map[string]string // local name → import path
	uses     []string
}

func (s *search) visitImport(spec *ast.ImportSpec) {
	importPath, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	local := localName(spec, importPath)
	s.imported[local] = importPath
	for _, f := range forbiddenNames {
		switch {
		case f.path != importPath || s.excepted(f):
		case local == ".":
			s.complain(spec, "import .", "it hides the name "+f.name)
		case f.name == "*" && !s.isTest():
			s.complain(spec, importPath, f.why)
		}
	}
}

func (s *search) visitSelector(selector *ast.SelectorExpr) {
	x := types.ExprString(selector.X)
	used := x + "." + selector.Sel.Name
	for _, f := range forbiddenNames {
		if f.path == s.imported[x] && f.name == selector.Sel.Name && !s.excepted(f) {
			s.complain(selector, used, f.why)
		}
	}
	if selector.Sel.Name == bypass {
		s.complain(selector, used, "forms of other sites would pass, CVE-2025-47910")
	}
	_, http := s.imported["http"]
	_, pkg := s.imported[x]
	if http && !pkg && !s.isTest() && s.name != "rs/bearer.go" && slices.Contains(forbiddenOfRequests, selector.Sel.Name) {
		s.complain(selector, used, "it reads the query too, or hides errors and repetitions: parseForm")
	}
}

func (s *search) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s *search) excepted(f forbidden) bool { return slices.Contains(f.except, path.Dir(s.name)) }

func (s *search) complain(n ast.Node, what, why string) {
	s.uses = append(s.uses, fmt.Sprintf("%s:%d: %s is forbidden: %s", s.name, s.fset.Position(n.Pos()).Line, what, why))
}

// localName is right for the paths that are forbidden, and a guess for others.
func localName(spec *ast.ImportSpec, importPath string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	base := path.Base(importPath)
	if strings.HasPrefix(base, "v") && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(importPath))
	}
	return base
}
