package db_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-authd/authd/internal/dbtest"
)

// Every SQL constant is a statement that this schema can prepare: a renamed column is
// found here and not by the one request that needs it.
func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	verb := regexp.MustCompile(`^\s*(select|insert|update|delete|with|begin)\b`)
	prepared := 0
	for name, text := range constants(t) {
		if !verb.MatchString(text) || strings.HasPrefix(strings.TrimSpace(text), "select from") {
			continue
		}
		if _, err := conn.Conn().Prepare(t.Context(), name, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		prepared++
	}

	if prepared < 20 {
		t.Errorf("%d statements were found, which cannot be all", prepared)
	}
}

// constants evaluates the string constants of the package.
func constants(t *testing.T) map[string]string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	exprs := make(map[string]ast.Expr)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					exprs[name.Name] = spec.Values[i]
				}
			}
			return true
		})
	}
	texts := make(map[string]string)
	for name, e := range exprs {
		if text, ok := evaluate(e, exprs); ok {
			texts[name] = text
		}
	}
	return texts
}

func evaluate(e ast.Expr, names map[string]ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		return evaluate(names[e.Name], names)
	case *ast.BinaryExpr:
		x, okX := evaluate(e.X, names)
		y, okY := evaluate(e.Y, names)
		return x + y, okX && okY && e.Op == token.ADD
	}
	return "", false
}
