package main

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-authd/authd"
)

// Of any number of starts at once one makes the key, and all seal with it.
func TestOwnKEKConcurrently(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	var mu sync.Mutex
	ids := make(map[string]int)

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			keys, err := ownKEK(t.Context(), dir, log)
			if err != nil || len(keys) != 1 {
				t.Errorf("%d keys, %v", len(keys), err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[keys[0].ID()]++
		})
	}
	wg.Wait()

	if len(ids) != 1 {
		t.Errorf("%d different keys, want 1: %v", len(ids), ids)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v, want the key alone", files, err)
	}
	info, err := os.Stat(filepath.Join(dir, localKEK))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestParseKEKs(t *testing.T) {
	t.Parallel()
	one, two := newKEKText(t), newKEKText(t)
	tests := []struct {
		name, text string
		want       int
		wantErr    string
	}{
		{"one a line", one + "\n" + two + "\n", 2, ""},
		{"blank lines and carriage returns", "\n" + one + "\r\n\r\n", 1, ""},
		{"no line", "\n \n", 0, "AUTHD_KEK holds no key-encryption key"},
		{"a wrong line is named, not shown", one + "\n" + two[1:] + "\n", 0, "AUTHD_KEK, line 2: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			keys, err := parseKEKs(kekVariable, tt.text)

			if len(keys) != tt.want || !matches(err, tt.wantErr) {
				t.Errorf("%d keys, %v, want %d, %q", len(keys), err, tt.want, tt.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), two[1:20]) {
				t.Error("the error shows the key")
			}
		})
	}
}

func newKEKText(t *testing.T) string {
	t.Helper()
	text, err := authd.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
