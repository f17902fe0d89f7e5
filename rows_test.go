package authd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// featureRows says how many rows each tutorial and library has. A letter behind a number is one of several rows of it.
var featureRows = map[string]int{
	"S0": 23, "S1": 23, "S2": 36, "S3": 24, "S4": 19, "M": 29, "F": 117, "P": 26, "J": 12, "R": 4, "X": 28,
}

var (
	featureRow = regexp.MustCompile(`^\| ([A-Z]\d?-\d+[a-d]?) \|([^|]*)\|([^|]*)\|([^|]*)\|$`)
	isTest     = regexp.MustCompile(`^(Test|Fuzz|Example)`)
	evidence   = regexp.MustCompile("\\[`([\\w.]+)`\\]\\(\\.\\./([^)]+)\\)")
)

// Every feature of what authd replaces has a place here and a test that names it, or a reason why not.
func TestFeaturesNameTheirTests(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for line := range strings.Lines(readFile(t, "docs/features.md")) {
		row := featureRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil {
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| row |") && !strings.HasPrefix(line, "| ---") {
				t.Errorf("no row: %s", line)
			}
			continue
		}
		if seen[row[1]] {
			t.Errorf("%s is there twice", row[1])
		}
		seen[row[1]] = true
		checkFeature(t, row[1], strings.TrimSpace(row[3]), row[4])
	}
	checkAllRows(t, seen)
}

// checkFeature wants of a row what shows it, or why it is not applicable.
func checkFeature(t *testing.T, id, here, shown string) {
	t.Helper()
	links := evidence.FindAllStringSubmatch(shown, -1)
	if reason, ok := strings.CutPrefix(here, "not applicable"); ok {
		if len(strings.Trim(reason, ": ")) < 10 || len(links) > 0 {
			t.Errorf("%s: not applicable without a reason, or with a test", id)
		}
		for _, page := range []string{"docs/coming-from-flask.md", "docs/coming-from-flask.ko.md"} {
			if !names(readFile(t, page), id) {
				t.Errorf("%s does not say why %s is not applicable", page, id)
			}
		}
		return
	}
	if here == "" || len(links) == 0 {
		t.Errorf("%s: no place here, or nothing that shows it", id)
	}
	for _, link := range links {
		if text, ok := evidenceText(t, link[1], link[2]); !ok || !names(text, id) {
			t.Errorf("%s: %s of %s is not there, or does not name it", id, link[1], link[2])
		}
	}
}

// evidenceText is a test with its comment, or a whole script.
func evidenceText(t *testing.T, name, file string) (string, bool) {
	t.Helper()
	source := readFile(t, file)
	if path.Ext(file) != ".go" {
		return source, path.Base(file) == name
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name && isTest.MatchString(name) {
			return f.Doc.Text() + source[f.Pos()-parsed.FileStart:f.End()-parsed.FileStart], true
		}
	}
	return "", false
}

// names says whether a text has an id as a whole word.
func names(text, id string) bool {
	return regexp.MustCompile(`(?:^|[^\w-])` + id + `(?:[^\w-]|$)`).MatchString(text)
}

func checkAllRows(t *testing.T, seen map[string]bool) {
	t.Helper()
	for prefix, last := range featureRows {
		for n := range last {
			id := fmt.Sprintf("%s-%02d", prefix, n+1)
			if prefix == "R" {
				id = fmt.Sprintf("R-%d", n+1)
			}
			if !seen[id] && !seen[id+"a"] {
				t.Errorf("%s has no row", id)
			}
		}
	}
	if len(seen) != 361 {
		t.Errorf("there are %d rows, want 361", len(seen))
	}
}
