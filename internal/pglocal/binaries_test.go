package pglocal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// binDir has a postgres and an initdb which tell a version.
func binDir(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	old := binDir(t, "postgres (PostgreSQL) 14.9")
	fit := binDir(t, "postgres (PostgreSQL) 16.3 (Debian 16.3-1)")
	next := binDir(t, "postgres (PostgreSQL) 18beta1")
	strange := binDir(t, "hello")
	for name, c := range map[string]struct {
		dirs  []string
		major int
		want  string
		says  []string
	}{
		"the first supported version":           {[]string{old, strange, fit, next}, 0, fit, nil},
		"the version that made the cluster":     {[]string{fit, next}, 18, next, nil},
		"an old cluster runs on its old binary": {[]string{fit, old}, 14, old, nil},
		"nothing installed":                     {nil, 0, "", []string{"version 15 or newer", "apt-get install postgresql\n", "brew install postgresql@18", "--database-url", "docker run"}},
		"only an older version":                 {[]string{old}, 0, "", []string{old + " is version 14"}},
		"only another version than the cluster's": {
			[]string{fit, strange},
			17, "",
			[]string{"version 17, which made the cluster", fit + " is version 16", "does not tell its version", "postgresql-17", "postgresql@17"},
		},
		"a folder that is gone": {[]string{"/nonexistent"}, 0, "", []string{"/nonexistent/postgres"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := findBinaries(t.Context(), c.dirs, account{uid: os.Geteuid()}, c.major)
			if b.dir != c.want || (err != nil) != (c.want == "") || err != nil && !errors.Is(err, ErrNoBinaries) {
				t.Fatalf("%q (%v), want %q", b.dir, err, c.want)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error has no %q:\n%v", s, err)
				}
			}
		})
	}
}

func TestUsualBinDirs(t *testing.T) {
	t.Parallel()
	dirs := usualBinDirs()
	if len(dirs) == 0 {
		t.Fatal("no PostgreSQL found: these tests need one, as apt-get install postgresql")
	}
	for _, dir := range dirs {
		if !isFile(filepath.Join(dir, "initdb")) || !isFile(filepath.Join(dir, "postgres")) {
			t.Errorf("%s lacks a binary", dir)
		}
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, v := range []string{"pg9", "pg15", "pg18"} {
		if err := os.Mkdir(filepath.Join(root, v), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dirs := newestFirst(root + "/pg*")
	for i, want := range []string{"pg18", "pg15", "pg9"} {
		if filepath.Base(dirs[i]) != want {
			t.Errorf("%d: %s, want %s", i, dirs[i], want)
		}
	}
}
