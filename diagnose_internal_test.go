package authd

import (
	"testing"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// S-07: what a database can be set to that breaks the promises.
func TestDiagnoseSettings(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	good := db.Settings{
		Version: "18.1", Fsync: "on", FullPageWrites: "on", SynchronousCommit: "on", ClockSeconds: 1_700_000_000,
	}
	tests := []struct {
		name   string
		change func(*db.Settings)
		check  string
		want   string
	}{
		{"all is well", func(*db.Settings) {}, "", FindingOK},
		{"a standby confirms", func(s *db.Settings) { s.Standbys, s.SynchronousCommit = "s2", "remote_apply" }, "commit", FindingOK},
		{"a standby", func(s *db.Settings) { s.InRecovery = true }, "database", FindingFailed},
		{"read-only", func(s *db.Settings) { s.ReadOnly = true }, "database", FindingFailed},
		{"fsync off", func(s *db.Settings) { s.Fsync = "off" }, "commit", FindingFailed},
		{"full_page_writes off", func(s *db.Settings) { s.FullPageWrites = "off" }, "commit", FindingFailed},
		{"synchronous_commit off", func(s *db.Settings) { s.SynchronousCommit = "off" }, "commit", FindingFailed},
		{"synchronous_commit local", func(s *db.Settings) { s.SynchronousCommit = "local" }, "commit", FindingFailed},
		{"synchronous_commit remote_write", func(s *db.Settings) { s.SynchronousCommit = "remote_write" }, "commit", FindingFailed},
		{"the clock is 5 s off", func(s *db.Settings) { s.ClockSeconds -= 5 }, "clock", FindingOK},
		{"the clock is 6 s behind", func(s *db.Settings) { s.ClockSeconds -= 6 }, "clock", FindingWarning},
		{"the clock is 6 s ahead", func(s *db.Settings) { s.ClockSeconds += 6 }, "clock", FindingWarning},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := good
			tt.change(&s)

			for _, f := range []Finding{checkServer(s), checkCommit(s), checkClock(s, now)} {
				want := FindingOK
				if f.Check == tt.check {
					want = tt.want
				}
				if f.Outcome != want || (f.Outcome != FindingOK) != (f.Remedy != "") {
					t.Errorf("%+v, want %s, and a remedy unless ok", f, want)
				}
			}
		})
	}
}

func TestDiagnoseRings(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	key := func(ring oauth.Ring, rotateAfter time.Time) oauth.Key {
		return oauth.Key{KID: "k-" + string(ring), Ring: ring, SignsFrom: &now, RotateAfter: rotateAfter}
	}
	soon, late := now.Add(time.Hour), now.Add(-time.Hour)
	tests := []struct {
		name     string
		keys     []oauth.Key
		want     string
		wantSign string
	}{
		{"no keys yet", nil, FindingOK, ""},
		{"both rings sign", []oauth.Key{key(oauth.AccessRing, soon), key(oauth.RefreshRing, soon)}, FindingOK, "k-access"},
		{"a rotation is overdue", []oauth.Key{key(oauth.AccessRing, soon), key(oauth.RefreshRing, late)}, FindingWarning, "k-access"},
		{"a ring has no signing key", []oauth.Key{key(oauth.AccessRing, soon)}, FindingFailed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, kid := checkRings(tt.keys, now)
			if f.Outcome != tt.want || kid != tt.wantSign {
				t.Errorf("%+v, signing %q, want %s, %q", f, kid, tt.want, tt.wantSign)
			}
		})
	}
}
