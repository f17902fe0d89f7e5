package rs

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Memory is bounded by what lives: what is over is neither kept nor taken in.
func TestFeedSetForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	mark := func(lives time.Duration) mark { return mark{always, now.Add(lives).Unix()} }
	var s feedSet
	s.replace([]revocation{{0, "over", mark(-time.Hour)}, {0, "kept", mark(time.Hour)}, {1, "short", mark(time.Minute)}}, now)
	s.add([]revocation{{0, "over, too", mark(-time.Minute)}, {2, "kept", mark(time.Hour)}}, now)
	if got := s.len(); got != 3 {
		t.Errorf("%d entries, want 3", got)
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{2*time.Minute - time.Second, 3}, {2 * time.Minute, 2}, {61 * time.Minute, 0}} {
		if s.sweep(now.Add(tt.after)); s.len() != tt.want {
			t.Errorf("%d entries after %v, want %d", s.len(), tt.after, tt.want)
		}
	}
}

func (s *feedSet) len() (n int) {
	for _, marks := range s.marks {
		n += len(marks)
	}
	return n
}

// Readers go on while the set is changed in every way (-race).
func TestFeedSetReadersAndWriter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	forever := mark{always, now.Add(time.Hour).Unix()}
	var s feedSet
	s.add([]revocation{{0, "f-1", forever}}, now)
	done := make(chan bool)
	for range 4 {
		go func() {
			ok := true
			for range 20_000 {
				ok = ok && s.has(&Token{SessionID: "f-1"}, now) && !s.has(&Token{SessionID: "f-2"}, now)
			}
			done <- ok
		}()
	}
	for finished := 0; finished < 4; {
		select {
		case ok := <-done:
			if finished++; !ok {
				t.Error("a reader saw a set that never was")
			}
		default:
			s.add([]revocation{{1, "j", forever}}, now)
			s.replace([]revocation{{0, "f-1", forever}}, now)
			s.sweep(now)
		}
	}
}

// Whatever comes back, no answer is half taken in: what is read is one JSON object, with a cursor, of entries that
// each name something.
func FuzzReadNews(f *testing.F) {
	f.Add(`{"revoked":[{"sid":"a","exp":1700000000},{"sub":"u","before":1,"exp":1700000000.5}],"next":"c","reset":true}`)
	f.Add(`{"revoked":[{"grant":"a"},{"sub":"u","client_id":"c","exp":1}],"next":"c"}`)
	f.Add(`{"next":"","revoked":[]}`)
	f.Add(`{"revoked":[{"jti":"\ud800","exp":1}],"next":"c"}{`)
	f.Add(`{"next":"c","revoked":[1]}`)
	f.Add("[")
	f.Fuzz(func(t *testing.T, body string) {
		n, err := readNews(strings.NewReader(body))
		if err != nil {
			if n.next != "" || len(n.revoked) > 0 || n.reset {
				t.Errorf("%q is refused, yet says %+v", body, n)
			}
			return
		}
		var whole struct {
			Revoked []map[string]any `json:"revoked"`
		}
		if err := json.Unmarshal([]byte(body), &whole); err != nil || len(whole.Revoked) != len(n.revoked)+n.unknown {
			t.Errorf("%q: %d entries and %d unknown of %d, %v", body, len(n.revoked), n.unknown, len(whole.Revoked), err)
		}
		var s feedSet
		s.replace(n.revoked, time.Unix(0, 0))
		for _, r := range n.revoked {
			if r.id == "" || r.before <= 0 || r.exp <= 0 || len(s.marks[r.kind]) == 0 {
				t.Errorf("%q has the entry %+v", body, r)
			}
		}
	})
}
