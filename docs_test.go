package authd_test

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// readFile returns a file of the module; name is relative to its root.
func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents are the pages that people read, relative to the root.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			pages = append(pages, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

var (
	fenced     = regexp.MustCompile("(?ms)^```.*?^```$")
	goBlock    = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings   = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// What the pages show compiles and runs: it stands, but for indentation, in a test or in an example that CI runs.
func TestSnippetsAreExamples(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]struct {
		least    int
		examples []string
	}{
		"README.md":                 {2, []string{"example_*_test.go"}}, // one to embed and one to protect a handler
		"docs/coming-from-flask.md": {15, []string{"example_*_test.go", "examples/coming-from-flask/*.go"}},
	} {
		blocks := goBlock.FindAllStringSubmatch(readFile(t, page), -1)
		if len(blocks) < want.least {
			t.Errorf("%s: %d Go snippets, want %d", page, len(blocks), want.least)
		}
		examples := flush(readAll(t, want.examples))
		for _, block := range blocks {
			if !strings.Contains(examples, flush(block[1])) {
				t.Errorf("%s: in no example:\n%s", page, block[1])
			}
		}
	}
}

func readAll(t *testing.T, patterns []string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			all.WriteString(readFile(t, name))
		}
	}
	return all.String()
}

// The Korean pages show the same code; in a README the comments of commands are Korean, too.
func TestTranslationsShowTheSameCode(t *testing.T) {
	t.Parallel()
	comment := regexp.MustCompile(`\s+#.*`)
	for _, page := range []string{"README", "docs/coming-from-flask"} {
		english := fenced.FindAllString(readFile(t, page+".md"), -1)
		korean := fenced.FindAllString(readFile(t, page+".ko.md"), -1)
		if len(english) != len(korean) {
			t.Errorf("%s: %d snippets in English, %d in Korean", page, len(english), len(korean))
			continue
		}
		for i, block := range english {
			if page == "README" {
				block, korean[i] = comment.ReplaceAllString(block, ""), comment.ReplaceAllString(korean[i], "")
			}
			if block != korean[i] {
				t.Errorf("%s: in English\n%s\nin Korean\n%s", page, block, korean[i])
			}
		}
	}
}

// flush takes the indentation away.
func flush(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// S1-23: the documentation is one that can be followed.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	for _, page := range documents(t) {
		for _, link := range linkTarget.FindAllStringSubmatch(fenced.ReplaceAllString(readFile(t, page), ""), -1) {
			checkLink(t, page, link[1])
		}
	}
}

func checkLink(t *testing.T, page, link string) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Errorf("%s: link %s: %v", page, link, err)
		return
	}
	if u.IsAbs() {
		return
	}
	target := page
	if u.Path != "" {
		target = path.Join(path.Dir(page), u.Path)
	}
	if _, err := os.Stat(filepath.FromSlash(target)); err != nil {
		t.Errorf("%s: link %s: %v", page, link, err)
		return
	}
	if u.Fragment != "" && !hasHeading(readFile(t, target), u.Fragment) {
		t.Errorf("%s: link %s: no such heading", page, link)
	}
}

func hasHeading(text, fragment string) bool {
	for _, h := range headings.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		if slug(h[1]) == fragment {
			return true
		}
	}
	return false
}

// slug is the anchor that forges give a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// A claim is worth the test or the source that it names.
func TestClaimsNameTheirEvidence(t *testing.T) {
	t.Parallel()
	for page, least := range map[string]int{"docs/conformance.md": 50, "docs/what-can-be-lost.md": 7} {
		checkEvidence(t, page, least)
	}
}

func checkEvidence(t *testing.T, page string, least int) {
	t.Helper()
	evidence := regexp.MustCompile("\\[`(\\w+)`\\]\\(\\.\\./([^)]+)\\)")
	rows := 0
	for line := range strings.Lines(readFile(t, page)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, " by |\n") {
			continue
		}
		rows++
		found := evidence.FindAllStringSubmatch(line, -1)
		if len(found) == 0 {
			t.Errorf("names nothing that shows it: %s", line)
		}
		for _, e := range found {
			declared := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type |var |const |\t)` + e[1] + `\b`)
			if !declared.MatchString(readFile(t, e[2])) {
				t.Errorf("%s does not declare %s", e[2], e[1])
			}
		}
	}
	if rows < least {
		t.Errorf("%s: only %d rows were read", page, rows)
	}
}

// What can come out of the program has an entry in the page about it.
func TestPagesAreComplete(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, page, sources, pattern string
	}{
		{"each error code of the endpoints", "docs/errors.md", "internal/oauth/error.go", `Code += "(\w+)"`},
		{"each error code of the SDK", "docs/errors.md", "rs/error.go", `http\.Status\w+, "(\w+)"`},
		{"each error code of the CLI", "docs/errors.md", "cmd/authd/*.go", `code: "(\w+)"`},
		{"each error code of the CLI's sentinels", "docs/errors.md", "cmd/authd/problem.go", `exit\w+, "(\w+)"`},
		{"each setting", "docs/operations.md", "cmd/authd/*.go", `env:"(AUTHD_\w+)"`},
		{"each event that is counted", "docs/operations.md", "cmd/authd/metrics.go", `return "(\w+)"`},
		{"each metric", "docs/operations.md", "cmd/authd/metrics.go", `(?:describe\("|Name: "authd_)(\w+)"`},
		{"each check of doctor", "docs/operations.md", "diagnose.go", `Finding\{"(\w+)"`},
		{"each reason for which a family ends", "docs/operations.md", "internal/tokens/tokens.go", `Reason\w+ += "(\w+)"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page := readFile(t, tt.page)
			for _, word := range submatches(t, tt.sources, tt.pattern) {
				if !regexp.MustCompile(`(?:\b|_)` + word + `\b`).MatchString(page) {
					t.Errorf("%s says nothing about %s", tt.page, word)
				}
			}
		})
	}
}

func submatches(t *testing.T, glob, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(glob))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(readFile(t, name), -1) {
			words = append(words, m[1])
		}
	}
	if len(words) == 0 {
		t.Fatalf("%s has nothing like %s", glob, pattern)
	}
	return words
}
