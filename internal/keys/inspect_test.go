package keys

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

func TestVerifyStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	token := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	mustRotate(t, r, oauth.AccessRing, false)
	for _, tt := range []struct {
		name string
		ring oauth.Ring
		raw  string
		want string // "" means verified
	}{
		{"retired key", oauth.AccessRing, token, ""},
		{"key of the other ring", oauth.RefreshRing, token, "no key of ring refresh"},
		{"no token", oauth.AccessRing, "x", "three parts"},
		{"another payload", oauth.AccessRing, strings.Replace(token, "."+encode("{}")+".", "."+encode("[]")+".", 1), "wrong signature"},
	} {
		_, err := VerifyStored(t.Context(), r.cfg.DB, tt.ring, tt.raw)
		if (err == nil) != (tt.want == "") || err != nil && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	w.advance(2 * time.Hour)
	if _, err := VerifyStored(t.Context(), r.cfg.DB, oauth.AccessRing, token); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired key: got %v, want ErrInvalid", err)
	}
}

func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rings()
	before := w.dump()
	if err := Check(t.Context(), w.config()); err != nil {
		t.Error(err)
	}
	wrong := w.config()
	wrong.KEKs = []KEK{newTestKEK(t)}
	if err := Check(t.Context(), wrong); !errors.Is(err, ErrKEK) {
		t.Errorf("got %v, want ErrKEK", err)
	}
	both := w.config()
	both.KEKs = append(wrong.KEKs, w.kek)
	if err := Check(t.Context(), both); err != nil {
		t.Error(err)
	}
	if w.dump() != before {
		t.Error("the database changed")
	}

	w.exec(`update authd.signing_keys set private_jwe = '{}' where seq = 2 and ring = 'access'`)
	if err := Check(t.Context(), w.config()); err == nil || !strings.Contains(err.Error(), w.keys(oauth.AccessRing)[1].KID) {
		t.Errorf("got %v, want the key that cannot be opened", err)
	}
}
