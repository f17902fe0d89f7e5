package pglocal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte("1 serve\n"), 0o600); err != nil { // left by kill -9
		t.Fatal(err)
	}
	l, err := tryLock(path, command)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tryLock(path, serving)
	var inUse *InUseError
	if !errors.As(err, &inUse) || *inUse != (InUseError{os.Getpid(), command}) {
		t.Errorf("a held lock: %v", err)
	}
	if err := l.write(""); err != nil {
		t.Fatal(err)
	}
	if _, err = tryLock(path, serving); !errors.As(err, &inUse) || inUse.kind != "" {
		t.Errorf("a holder that has not written yet: %v", err)
	}
	if err := l.release(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) != 0 {
		t.Errorf("a released lock names %q (%v)", b, err)
	}
	if l, err = tryLock(path, serving); err != nil {
		t.Fatalf("a released lock: %v", err)
	}
	if err := l.release(); err != nil {
		t.Error(err)
	}
}

func FuzzParseHolder(f *testing.F) {
	for _, s := range []string{"", "12 serve\n", "12 command\n", "-1 serve\n", "12 other", "12", "99999999999 serve"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pid, k := parseHolder(b)
		if pid < 0 || (pid == 0) != (k == "") {
			t.Errorf("%q: %d %q", b, pid, k)
		}
	})
}

func FuzzPidLines(f *testing.F) {
	for _, s := range []string{"", "12\n/data\n1\n5432\n/tmp\n\n1 2\nready   \n", "\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if lines := pidLines(b); len(lines) == 0 {
			t.Errorf("%q: no line", b)
		}
	})
}
