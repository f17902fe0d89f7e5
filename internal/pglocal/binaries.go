package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The major versions that authd is tested with. A newer one runs, an older one does not.
const (
	oldest = 15
	newest = 18
)

// ErrNoBinaries means that no PostgreSQL of a fitting version is installed. The
// errors that wrap it name the ways out, one a line.
var ErrNoBinaries = errors.New("no PostgreSQL to run")

const waysOut = `
  Debian, Ubuntu:  apt-get install postgresql%[4]s
  macOS:           brew install postgresql@%[5]d
  own database:    --database-url postgres://…
  Docker:          docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=… postgres:%[5]d, then --database-url`

// binaries is a folder that has initdb and postgres.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// findBinaries returns the first of dirs that has binaries of version major, or
// of any supported version where major is 0. It runs postgres as a, because a
// folder that a cannot enter is of no use.
func findBinaries(ctx context.Context, dirs []string, a account, major int) (binaries, error) {
	var others []string
	for _, dir := range dirs {
		b := binaries{dir: dir}
		v, err := b.version(ctx, a)
		if err != nil {
			others = append(others, err.Error())
			continue
		}
		if v == major || major == 0 && v >= oldest {
			b.major = v
			return b, nil
		}
		others = append(others, fmt.Sprintf("%s is version %d", dir, v))
	}
	return binaries{}, noBinaries(major, others)
}

func noBinaries(major int, others []string) error {
	want, suffix, image := fmt.Sprintf("version %d or newer", oldest), "", newest
	if major != 0 {
		want, suffix, image = fmt.Sprintf("version %d, which made the cluster", major), fmt.Sprintf("-%d", major), major
	}
	found := ""
	if len(others) > 0 {
		found = " (" + strings.Join(others, "; ") + ")"
	}
	return fmt.Errorf("%w: need %s%s; ways out:"+waysOut, ErrNoBinaries, want, found, suffix, image)
}

var versionOf = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func (b binaries) version(ctx context.Context, a account) (int, error) {
	out, err := a.command(ctx, b.path("postgres"), "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("running %s: %w", b.path("postgres"), err)
	}
	m := versionOf.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%s does not tell its version", b.path("postgres"))
	}
	return strconv.Atoi(string(m[1]))
}

// usualBinDirs lists folders that have what is needed: from PATH, by pg_config,
// then Debian's, PGDG's and Homebrew's places, the highest version first.
func usualBinDirs() []string {
	var dirs []string
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		if p, err := exec.LookPath(name); err == nil {
			dirs = append(dirs, filepath.Dir(p))
			if p, err = filepath.EvalSymlinks(p); err == nil {
				dirs = append(dirs, filepath.Dir(p))
			}
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",          // Debian, and PGDG for it
		"/usr/pgsql-*/bin",                   // PGDG for Red Hat and SUSE
		"/usr/libexec/postgresql*",           // Alpine
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Library/PostgreSQL/*/bin", // EDB for macOS
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs = append(dirs, newestFirst(pattern)...)
	}
	return usable(dirs)
}

func newestFirst(pattern string) []string {
	dirs, _ := filepath.Glob(pattern) // fails only on a bad pattern
	before, _, _ := strings.Cut(pattern, "*")
	slices.SortFunc(dirs, func(a, b string) int { return numberIn(b[len(before):]) - numberIn(a[len(before):]) })
	return dirs
}

var number = regexp.MustCompile(`\d+`)

// numberIn returns the first number in s, 0 where there is none.
func numberIn(s string) int {
	n, _ := strconv.Atoi(number.FindString(s))
	return n
}

func usable(dirs []string) []string {
	var ok []string
	for _, dir := range dirs {
		if !slices.Contains(ok, dir) && isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres")) {
			ok = append(ok, dir)
		}
	}
	return ok
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}
