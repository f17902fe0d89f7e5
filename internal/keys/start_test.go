package keys

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		alter func(*Config)
		want  []string // in the error
	}{
		{"no database", func(c *Config) { c.DB = nil }, []string{"database"}},
		{"no KEK", func(c *Config) { c.KEKs = nil }, []string{"key-encryption key"}},
		{"empty KEK", func(c *Config) { c.KEKs = []KEK{{}} }, []string{"empty"}},
		{"KEK twice", func(c *Config) { c.KEKs = append(c.KEKs, c.KEKs[0]) }, []string{"twice"}},
		{"short keys", func(c *Config) { c.Bits = 1024 }, []string{"1024"}},
		{"negative skew", func(c *Config) { c.Skew = -time.Second }, []string{"skew", "-1s"}},
		{"lead below the safe lead", func(c *Config) { c.Lead = 11 * time.Minute }, []string{"11m0s", "12m0s", "5m0s", "1m0s"}},
		{"period below the lead", func(c *Config) { c.Period = time.Hour }, []string{"1h0m0s", "24h0m0s"}},
		{"snapshot cap above what schedules allow for", func(c *Config) { c.SnapshotCap = 61 * time.Second }, []string{"1m1s"}},
		{"poll too rare for the snapshot cap", func(c *Config) { c.Poll = 31 * time.Second }, []string{"31s", "1m0s"}},
		{"max-age with a fraction", func(c *Config) { c.MaxAge = 1500 * time.Millisecond }, []string{"1.5s"}},
	} {
		w := &world{t: t, kek: newTestKEK(t)}
		cfg := w.config()
		tt.alter(&cfg)
		_, err := New(t.Context(), cfg)
		if err == nil {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %s", tt.name, err, want)
			}
		}
	}
}

// K-14: nothing is ever made over the old.
func TestWrongKEK(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	before, right := w.dump(), w.kek
	w.kek = newTestKEK(t)

	_, err := New(t.Context(), w.config())

	if !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), right.ID()) || !strings.Contains(err.Error(), w.kek.ID()) {
		t.Errorf("got %v, want ErrKEK with both ids", err)
	}
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		t.Errorf("the database changed: %s", diff)
	}
}

// A start that was killed after the check row and before the rings.
func TestWrongKEKMakesNoRings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	w.exec(`delete from authd.signing_keys`)
	w.kek = newTestKEK(t)

	if _, err := New(t.Context(), w.config()); !errors.Is(err, ErrKEK) {
		t.Errorf("got %v, want ErrKEK", err)
	}
	if n := len(w.keys(oauth.AccessRing)); n != 0 {
		t.Errorf("%d keys were made", n)
	}
}

// K-18: what the old key-encryption key sealed still needs it.
func TestKEKRemovedTooEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	old := w.kek
	w.kek = newTestKEK(t)
	both := w.config()
	both.KEKs = []KEK{w.kek, old}
	r, err := New(t.Context(), both)
	if err != nil {
		t.Fatal(err)
	}
	mustRotate(t, r, oauth.AccessRing, false) // the third key is sealed under the new one

	_, err = New(t.Context(), w.config())
	if !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), "sealed under "+old.ID()) {
		t.Errorf("got %v, want that %s is needed", err, old.ID())
	}

	w.exec(`update authd.signing_keys set private_jwe = null where private_jwe like '%' and seq < 3 and ring = 'access' or ring = 'refresh'`)
	if _, err = New(t.Context(), w.config()); err != nil {
		t.Errorf("nothing needs %s any more: %v", old.ID(), err)
	}
}

func TestDamagedCheckRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	w.exec(`update authd.kek_checks set sealed = '{}'`)

	if _, err := New(t.Context(), w.config()); !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), w.kek.ID()) {
		t.Errorf("got %v, want ErrKEK with the id", err)
	}
}

// K-15, and K-14's "never a replacement".
func TestDamagedRowsAreQuarantined(t *testing.T) {
	t.Parallel()
	const swap = `update authd.signing_keys a set private_jwe = b.private_jwe from authd.signing_keys b
		where a.ring = 'access' and b.ring = 'access' and a.kid <> b.kid`
	for _, tt := range []struct {
		name, damage string
		ready        bool
		published    int // of 2 keys
	}{
		{"ciphertexts of two rows exchanged", swap, false, 2},
		{"ciphertext from the other ring", `update authd.signing_keys a set private_jwe = b.private_jwe from authd.signing_keys b
			where a.ring = 'access' and b.ring = 'refresh' and a.seq = b.seq`, false, 2},
		{"a bit of the signing key flipped", `update authd.signing_keys set private_jwe = regexp_replace(private_jwe,
			'"ciphertext":"(.)', '"ciphertext":"' || case substring(private_jwe from '"ciphertext":"(.)') when 'A' then 'B' else 'A' end)
			where ring = 'access' and seq = 1`, false, 2},
		{"the announced key cut off", `update authd.signing_keys set private_jwe = left(private_jwe, 100) where ring = 'access' and seq = 2`, true, 2},
		{"private half of the signing key lost", `update authd.signing_keys set private_jwe = null where ring = 'access' and seq = 1`, false, 2},
		{"public half of another key", `update authd.signing_keys a set public_jwk = b.public_jwk from authd.signing_keys b
			where a.ring = 'access' and a.seq = 1 and b.ring = 'access' and b.seq = 2`, false, 1},
		{"public half of another key under the row's kid", `update authd.signing_keys a set public_jwk = b.public_jwk || jsonb_build_object('kid', a.kid)
			from authd.signing_keys b where a.ring = 'access' and a.seq = 1 and b.ring = 'access' and b.seq = 2`, false, 1},
		{"another algorithm", `update authd.signing_keys set alg = 'PS256' where ring = 'access' and seq = 1`, false, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			running := w.rings()
			w.exec(tt.damage)
			before := w.dump()
			mustPoll(t, running)
			started := w.rings()
			mustPoll(t, started)

			for _, r := range []*Rings{running, started} {
				if err := r.Ready(); (err == nil) != tt.ready {
					t.Errorf("ready: %v", err)
				}
				_, err := r.Sign(t.Context(), oauth.AccessRing, "", oauth.TypeAccessToken, []byte("{}"))
				if tt.ready != (err == nil) || err != nil && !errors.Is(err, ErrNotReady) {
					t.Errorf("sign: %v", err)
				}
				if got := len(kidsOf(t, r)); got != tt.published {
					t.Errorf("%d keys published, want %d", got, tt.published)
				}
			}
			if w.dump() != before {
				t.Error("the database changed")
			}
			if strings.Contains(tt.damage, "null") {
				return // not to be told from wiped, apart from its being the signing key
			}
			if got := strings.Count(w.log.String(), "quarantined"); got == 0 || got > 4 {
				t.Errorf("%d log lines, want one for each damaged key and replica", got)
			}
		})
	}
}

func TestRotateNeverOpensAQuarantinedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	w.exec(`update authd.signing_keys set private_jwe = '{}' where seq = 2`)

	_, err := w.rings().Rotate(t.Context(), oauth.AccessRing, true)

	if !errors.Is(err, ErrNotReady) {
		t.Errorf("got %v, want ErrNotReady", err)
	}
}

// A damaged signing key is left by a rotation, not replaced.
func TestRotateLeavesAQuarantinedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	w.exec(`update authd.signing_keys set private_jwe = '{}' where seq = 1`)
	r := w.rings()

	for _, ring := range allRings {
		mustRotate(t, r, ring, false)
	}

	if err := r.Ready(); err != nil {
		t.Error(err)
	}
}
