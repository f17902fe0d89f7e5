package authn

import (
	"errors"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"
)

const (
	salt16 = "c29tZXNhbHRzb21lc2FsdA"
	key32  = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U"
)

const bcryptHash = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

// B-15: what cannot be evaluated, or would take the machine, is no hash.
func TestParseHash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		ok       bool
	}{
		{"live parameters", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, true},
		{"RFC 9106 §4, second choice", "$argon2id$v=19$m=65536,t=3,p=4$" + salt16 + "$" + key32, true},
		{"bcrypt 2b", bcryptHash, true},
		{"bcrypt 2y, from PHP", "$2y" + bcryptHash[3:], true},
		{"empty", "", false},
		{"4 GiB", "$argon2id$v=19$m=4194304,t=2,p=1$" + salt16 + "$" + key32, false},
		{"just above the bound", "$argon2id$v=19$m=65537,t=1,p=1$" + salt16 + "$" + key32, false},
		{"4 billion passes", "$argon2id$v=19$m=8,t=4294967295,p=1$" + salt16 + "$" + key32, false},
		{"no pass, on which the library panics", "$argon2id$v=19$m=19456,t=0,p=1$" + salt16 + "$" + key32, false},
		{"no lane, on which the library panics", "$argon2id$v=19$m=19456,t=2,p=0$" + salt16 + "$" + key32, false},
		{"empty key, which every password has", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$", false},
		{"empty salt", "$argon2id$v=19$m=19456,t=2,p=1$$" + key32, false},
		{"key of 65 bytes and more", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + strings.Repeat("QUFB", 22), false},
		{"truncated", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16, false},
		{"version 16", "$argon2id$v=16$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"argon2i", "$argon2i$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"unknown scheme", "$scrypt$ln=16,r=8,p=1$" + salt16 + "$" + key32, false},
		{"clear text", "hunter2", false},
		{"bcrypt of cost 31", "$2b$31" + bcryptHash[6:], false},
		{"bcrypt truncated", bcryptHash[:59], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			_, err := parseHash(tt.in)

			if (err == nil) != tt.ok || err != nil && !errors.Is(err, errHash) {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
			if err != nil && strings.Contains(err.Error(), key32) {
				t.Errorf("the error holds the hash: %v", err)
			}
		})
	}
}

// The one test that pays for the real parameters.
// S1-05, S2-32, M-02: what is kept of a password.
func TestProductionHash(t *testing.T) {
	t.Parallel()
	s := New(Config{})

	text, err := s.hash(right)
	if err != nil {
		t.Fatal(err)
	}

	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("got %s, want 19 MiB, two passes, one lane", text[:strings.LastIndex(text, "$")])
	}
	hash, err := parseHash(text)
	if err != nil || hash.outdated(production) {
		t.Errorf("a new hash is outdated or unreadable: %v", err)
	}
	for password, want := range map[string]bool{right: true, wrong: false} {
		if got, err := hash.matches(password); got != want || err != nil {
			t.Errorf("matches(%q) = %v, %v, want %v", password, got, err, want)
		}
	}
}

func TestDummyMatchesNothingAtFullCost(t *testing.T) {
	t.Parallel()
	dummy := dummyHash(cheap)

	parsed, err := parseHash(dummy.text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := dummy.matches(right)

	if got || err != nil {
		t.Errorf("got %v, %v, want no match", got, err)
	}
	if *parsed.params != cheap {
		t.Errorf("got parameters %+v, want the live ones %+v", *parsed.params, cheap)
	}
}

func TestBcryptMatches(t *testing.T) {
	t.Parallel()
	text, err := bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := parseHash(string(text))
	if err != nil {
		t.Fatal(err)
	}

	for password, want := range map[string]bool{right: true, wrong: false} {
		if got, err := hash.matches(password); got != want || err != nil {
			t.Errorf("matches(%q) = %v, %v, want %v", password, got, err, want)
		}
	}
	if !hash.outdated(cheap) {
		t.Error("a bcrypt hash is not outdated")
	}
}

func FuzzParseHash(f *testing.F) {
	for _, s := range []string{
		"", "$", "$$$$$", bcryptHash, "$2b$99$", "$argon2id$v=19$m=16,t=1,p=1$" + salt16 + "$" + key32,
		"$argon2id$v=19$m=16,t=0,p=1$" + salt16 + "$" + key32, "$argon2id$v=19$m=4294967295,t=4294967295,p=255$$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			return
		}
		if h.params == nil {
			if cost, err := bcrypt.Cost([]byte(s)); err != nil || cost > maxBcryptCost {
				t.Errorf("%q was let through with cost %d (%v)", s, cost, err)
			}
			return
		}
		if h.params.Memory > 1024 || h.params.Iterations > 4 {
			return // within bounds, but too slow to be evaluated here
		}
		if ok, err := h.matches("x"); err != nil {
			t.Errorf("%q was let through and then failed: %v, %v", s, ok, err)
		}
	})
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*argon2id.Params)
		want   bool
	}{
		{"the same", func(*argon2id.Params) {}, false},
		{"less memory", func(p *argon2id.Params) { p.Memory-- }, true},
		{"fewer passes", func(p *argon2id.Params) { p.Iterations-- }, true},
		{"shorter key", func(p *argon2id.Params) { p.KeyLength = 16 }, true},
		{"shorter salt", func(p *argon2id.Params) { p.SaltLength = 8 }, true},
		{"stronger stays", func(p *argon2id.Params) { p.Memory++ }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := production
			tt.change(&p)

			got := storedHash{params: &p}.outdated(production)

			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
