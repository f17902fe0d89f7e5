package keys

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
)

// K-14, K-18: the operator sees which key-encryption key is needed and which may go, before
// a server refuses to start.
func TestInspectKEKs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// prepare gets a database with both rings, sealed under the first of old and other.
		prepare func(w *world, other KEK)
		given   func(old, other KEK) []KEK
		want    []KEKStatus // ID is filled in from what is written as "old" and "other"
		wantErr error
		text    string
	}{
		{
			"one, which seals all",
			nil,
			func(old, _ KEK) []KEK { return []KEK{old} },
			[]KEKStatus{{"old", true, true, true, 4, KEKOK}},
			nil, "",
		},
		{
			"a new one before the old one",
			nil,
			func(old, other KEK) []KEK { return []KEK{other, old} },
			[]KEKStatus{{"other", true, true, false, 0, KEKOK}, {"old", true, false, true, 4, KEKOK}},
			nil, "",
		},
		{
			"the old one after all is rewrapped",
			func(w *world, other KEK) { rewrapUnder(w, other) },
			func(old, other KEK) []KEK { return []KEK{other, old} },
			[]KEKStatus{{"other", true, true, true, 4, KEKOK}, {"old", true, false, true, 0, KEKUnused}},
			nil, "",
		},
		{
			"the old one is taken away",
			func(w *world, other KEK) { rewrapUnder(w, other) },
			func(_, other KEK) []KEK { return []KEK{other} },
			[]KEKStatus{{"other", true, true, true, 4, KEKOK}, {"old", false, false, true, 0, KEKUnused}},
			nil, "",
		},
		{
			"one that the database does not know",
			nil,
			func(_, other KEK) []KEK { return []KEK{other} },
			[]KEKStatus{{"other", true, true, false, 0, KEKWrong}, {"old", false, false, true, 4, KEKMissing}},
			ErrKEK, "it needs old, given is other",
		},
		{
			"none",
			nil,
			func(KEK, KEK) []KEK { return nil },
			[]KEKStatus{{"old", false, false, true, 4, KEKMissing}},
			ErrKEK, "it needs old, given is none",
		},
		{
			"the check row is another's",
			func(w *world, _ KEK) {
				w.exec(`update authd.kek_checks set sealed = replace(sealed, 'tag":"', 'tag":"AAAA')`)
			},
			func(old, _ KEK) []KEK { return []KEK{old} },
			[]KEKStatus{{"old", true, true, true, 4, KEKWrong}},
			ErrKEK, "the check row of old cannot be opened",
		},
		{
			"a private half is damaged beyond telling under what it lies",
			func(w *world, _ KEK) {
				w.exec(`update authd.signing_keys set private_jwe = '{}' where seq = 2 and ring = 'access'`)
			},
			func(old, _ KEK) []KEK { return []KEK{old} },
			[]KEKStatus{{"old", true, true, true, 3, KEKOK}},
			errSealed, "of ring access",
		},
		{
			"two halves have changed places",
			func(w *world, _ KEK) {
				w.exec(`update authd.signing_keys k set private_jwe = o.private_jwe from authd.signing_keys o where k.ring = 'refresh' and k.seq = 1 and o.ring = 'refresh' and o.seq = 2`)
			},
			func(old, _ KEK) []KEK { return []KEK{old} },
			[]KEKStatus{{"old", true, true, true, 4, KEKOK}},
			errSealed, "of ring refresh",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.rings()
			other := newTestKEK(t)
			if tt.prepare != nil {
				tt.prepare(w, other)
			}
			name := strings.NewReplacer(w.kek.ID(), "old", other.ID(), "other")
			cfg, before := w.config(), w.dump()
			cfg.KEKs = tt.given(w.kek, other)

			got, err := InspectKEKs(t.Context(), cfg)

			for i := range got {
				got[i].ID = name.Replace(got[i].ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if !errors.Is(err, tt.wantErr) || err != nil && !strings.Contains(name.Replace(err.Error()), tt.text) {
				t.Errorf("got %v, want %v, %q", err, tt.wantErr, tt.text)
			}
			if w.dump() != before {
				t.Error("the database changed")
			}
		})
	}
}

func rewrapUnder(w *world, kek KEK) {
	w.t.Helper()
	cfg := w.config()
	cfg.KEKs = []KEK{kek, w.kek}
	r, err := New(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := r.Rewrap(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// kms answers until it is down.
type kms struct {
	KEK
	down *atomic.Bool
}

func (k kms) Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error) {
	if k.down.Load() {
		return nil, errors.New("no route")
	}
	return k.KEK.Decrypt(ctx, ciphertext, aad)
}

// A KMS that is away is an outage, and says nothing against its key.
func TestInspectKEKsWithoutKMS(t *testing.T) {
	t.Parallel()
	w, down := newWorld(t), new(atomic.Bool)
	cfg := w.config()
	cfg.KEKs = []KEK{RemoteKEK(kms{w.kek, down})}
	if _, err := New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	down.Store(true)

	got, err := InspectKEKs(t.Context(), cfg)

	want := []KEKStatus{{w.kek.ID(), true, true, true, 4, KEKUnavailable}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, ErrKEK) {
		t.Errorf("got %v, want an outage", err)
	}
}

// Before the first start there is nothing to compare with.
func TestInspectKEKsWithoutKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	got, err := InspectKEKs(t.Context(), w.config())

	want := []KEKStatus{{w.kek.ID(), true, true, false, 0, KEKOK}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	twice := w.config()
	twice.KEKs = append(twice.KEKs, w.kek)
	if _, err := InspectKEKs(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("got %v, want a refusal", err)
	}
}
