package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const day = 24 * time.Hour

// start is when the rings of these tests were made.
var start = time.Date(2026, time.March, 1, 9, 0, 0, 0, time.UTC)

// ringWriter writes down the rows of a ring as rotations do.
type ringWriter struct {
	keys []authd.Key
	ring string
	tail time.Duration // from signs_until to published_until
}

// newRing has a key that signs and one that is announced, planned for 30 days each.
func newRing(name string, tail time.Duration) *ringWriter {
	r := &ringWriter{ring: name, tail: tail}
	r.announce(0)
	r.keys[0].SignsFrom, r.keys[0].RotateAfter = instant(0), start.Add(30*day)
	r.announce(0)
	return r
}

func instant(d time.Duration) *time.Time {
	t := start.Add(d)
	return &t
}

func (r *ringWriter) announce(at time.Duration) {
	seq := int64(len(r.keys) + 1)
	r.keys = append(r.keys, authd.Key{
		ID: strings.Repeat(string(rune('A'+seq-1)), 42) + r.ring[:1], Ring: r.ring, Seq: seq, Alg: "RS256",
		AnnouncedAt: *instant(at), RotateAfter: *instant(at + 60*day),
	})
}

func (r *ringWriter) rotate(at time.Duration) *ringWriter {
	signing, announced := &r.keys[len(r.keys)-2], &r.keys[len(r.keys)-1]
	signing.SignsUntil, signing.PublishedUntil = instant(at), instant(at+r.tail)
	announced.SignsFrom, announced.RotateAfter = instant(at), *instant(at + 30*day)
	r.announce(at)
	return r
}

// revoke is of the key that signs.
func (r *ringWriter) revoke(at time.Duration) *ringWriter {
	r.keys[len(r.keys)-2].RevokedAt = instant(at)
	return r.rotate(at)
}

// at gives the rows the state that they have then.
func (r *ringWriter) at(now time.Duration) []authd.Key {
	for i := range r.keys {
		k := &r.keys[i]
		switch {
		case k.RevokedAt != nil:
			k.State = "revoked"
		case k.SignsFrom == nil:
			k.State = "announced"
		case k.SignsUntil == nil:
			k.State = "signing"
		case k.PublishedUntil.After(*instant(now)):
			k.State = "retired"
		default:
			k.State = "expired"
		}
	}
	return r.keys
}

const (
	accessTail  = time.Hour + 7*time.Minute
	refreshTail = 366*day + 7*time.Minute
)

func TestPrintSchedule(t *testing.T) {
	t.Parallel()
	both := func(write func(r *ringWriter), now time.Duration) []authd.Key {
		access, refresh := newRing("access", accessTail), newRing("refresh", refreshTail)
		for _, r := range []*ringWriter{access, refresh} {
			write(r)
		}
		return append(access.at(now), refresh.at(now)...)
	}
	tests := []struct {
		name, file string
		write      func(r *ringWriter)
		now        time.Duration
	}{
		{"right after the first start", "first", func(*ringWriter) {}, time.Second},
		{"a year in which nobody did anything", "year", func(r *ringWriter) {
			for n := range time.Duration(12) {
				r.rotate((n + 1) * 30 * day)
			}
		}, 378 * day},
		{"a rotation by hand, and a key that was revoked", "revoked", func(r *ringWriter) {
			r.rotate(20 * day).revoke(35 * day)
		}, 40 * day},
		{"all servers were off for longer than the plan", "late", func(r *ringWriter) { r.rotate(30 * day) }, 75 * day},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer

			printSchedule(&b, both(tt.write, tt.now), *instant(tt.now))

			golden(t, filepath.Join("testdata", "schedule", tt.file+".golden"), b.Bytes())
			_, pictures, _ := strings.Cut(b.String(), "\n\n")
			for line := range strings.Lines(pictures) {
				if len(line) > 120 || strings.IndexFunc(line, func(r rune) bool { return r > '~' }) >= 0 {
					t.Errorf("not plain, or wider than 120 columns: %s", line)
				}
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got (go test -update rewrites)\n%s", diff)
	}
}

func TestNextRotation(t *testing.T) {
	t.Parallel()
	ring := newRing("access", accessTail).at(0)
	tests := []struct {
		name string
		ring []authd.Key
		now  time.Duration
		want string
	}{
		{"days before", ring, 18 * day, "next rotation in 12 d, by itself"},
		{"hours before", ring, 29*day + 30*time.Minute, "next rotation in 23 h, by itself"},
		{"minutes before", ring, 30*day - 119*time.Minute, "next rotation in 119 min, by itself"},
		{"seconds before", ring, 30*day - 90*time.Second, "next rotation in 90 s, by itself"},
		{"servers look in a moment", ring, 30*day + time.Minute, "next rotation is due, by itself"},
		{"no server looked", ring, 30*day + time.Minute + 1, "late since 2026-03-31T09:00:00Z: is a server running? It rotates by itself"},
		{"a ring that somebody damaged by hand", nil, 0, "no key signs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := nextRotation(tt.ring, *instant(tt.now)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
