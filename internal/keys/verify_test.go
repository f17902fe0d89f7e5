package keys

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signAs signs with a key and header of the test's choice.
func signAs(t *testing.T, key any, alg jose.SignatureAlgorithm, kid, typ string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		new(jose.SignerOptions).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.Sign([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSignHeader(t *testing.T) {
	t.Parallel()
	r := newWorld(t).rings()
	kid, _ := r.Signing(oauth.AccessRing)

	token := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")

	header, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(header), `{"alg":"RS256","kid":"`+kid+`","typ":"at+jwt"}`; got != want {
		t.Errorf("header %s, want %s", got, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	good := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	access, _ := r.Signing(oauth.AccessRing)
	refresh, _ := r.Signing(oauth.RefreshRing)
	own := testKey(0) // the first that is made
	stranger := testKey(keyCount - 1)
	parts := strings.Split(good, ".")

	for _, tt := range []struct{ name, raw string }{
		{"no token", ""},
		{"two parts", parts[0] + "." + parts[1]},
		{"payload of another token", parts[0] + "." + encode(`{"a":1}`) + "." + parts[2]},
		{"signature of another length", parts[0] + "." + parts[1] + "." + encode("x")},
		{"alg none, RFC 8725 §3.1", encode(`{"alg":"none","kid":"`+access+`","typ":"at+jwt"}`) + "." + parts[1] + "." + encode("x")},
		{"alg PS256 by our own key, RFC 8725 §3.1", signAs(t, own, jose.PS256, access, "at+jwt")},
		{"alg HS256 with the public half as secret, RFC 8725 §2.1", signAs(t, own.PublicKey.N.Bytes(), jose.HS256, access, "at+jwt")},
		{"our kid, another's key", signAs(t, stranger, jose.RS256, access, "at+jwt")},
		{"unknown kid", signAs(t, own, jose.RS256, "unknown", "at+jwt")},
		{"typ of a refresh token, RFC 8725 §3.11", signAs(t, own, jose.RS256, access, "rt+jwt")},
		{"typ JWT", signAs(t, own, jose.RS256, access, "JWT")},
		{"kid of the other ring", signAs(t, own, jose.RS256, refresh, "at+jwt")},
		{"key and kid of the other ring", mustSign(t, r, oauth.RefreshRing, "", oauth.TypeAccessToken, "{}")},
	} {
		c, err := r.Verify(t.Context(), oauth.AccessRing, oauth.TypeAccessToken, tt.raw)
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", tt.name, err)
		}
		if c.Payload != nil {
			t.Errorf("%s: payload is returned", tt.name)
		}
	}
	mustVerify(t, r, oauth.AccessRing, oauth.TypeAccessToken, good)
}

// Another replica may have rotated, more than once, since this one polled.
func TestVerifyReadsAgainForAnUnknownKid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, elsewhere := w.rings(), w.rings()
	mustRotate(t, elsewhere, oauth.AccessRing, true)
	mustRotate(t, elsewhere, oauth.AccessRing, true)
	token := mustSign(t, elsewhere, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")

	mustVerify(t, here, oauth.AccessRing, oauth.TypeAccessToken, token)

	kid, _ := elsewhere.Signing(oauth.AccessRing)
	if pub, err := here.PublicKey(t.Context(), kid); err != nil || pub == nil {
		t.Errorf("public key: %v, %v", pub, err)
	}
}

func TestUnknownKidsReadOnceASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	now := time.Now()
	r.cfg.Now = func() time.Time { return now }
	readings := 0
	for i := range 41 { // two readings at 0 s and 1 s, a third at 2 s
		now = now.Add(50 * time.Millisecond)
		before := r.snapshot.Load()
		if _, err := r.PublicKey(t.Context(), "unknown"); !errors.Is(err, ErrInvalid) {
			t.Fatalf("call %d: got %v, want ErrInvalid", i, err)
		}
		if r.snapshot.Load() != before {
			readings++
		}
	}

	if readings != 3 {
		t.Errorf("%d readings in 2 s, want 3", readings)
	}
}

func TestVerifyWithoutStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pool, err := pgxpool.NewWithConfig(t.Context(), w.pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config()
	cfg.DB = db.New(pool)
	r, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	token := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	unknown := signAs(t, testKey(keyCount-1), jose.RS256, "unknown", "at+jwt")

	pool.Close()

	mustVerify(t, r, oauth.AccessRing, oauth.TypeAccessToken, token)
	for range 2 { // the second does not ask, and knows no better
		_, err := r.Verify(t.Context(), oauth.AccessRing, oauth.TypeAccessToken, unknown)
		if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, ErrInvalid) {
			t.Errorf("got %v, want db.ErrUnavailable", err)
		}
	}
	if doc, err := r.JWKS(); err != nil || doc.MaxAge != 5*time.Minute { // K-10
		t.Errorf("JWKS: %s, %v", doc.MaxAge, err)
	}
	if err := r.poll(t.Context()); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("poll: got %v, want db.ErrUnavailable", err)
	}
	if _, err := r.Rotate(t.Context(), oauth.AccessRing, true); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("rotation: got %v, want db.ErrUnavailable", err)
	}
}

func TestSignWaitsAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	r := newWorld(t).rings()
	if err := r.gate.slots.Acquire(t.Context(), r.gate.size); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := r.Sign(ctx, oauth.AccessRing, "", oauth.TypeAccessToken, []byte("{}"))

	if !errors.Is(err, oauth.Busy) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want oauth.Busy", err)
	}
	r.gate.slots.Release(r.gate.size)
	mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	if got := r.Stats(); got.Signatures != 1 || got.Waiting != 0 {
		t.Errorf("stats %+v, want one signature and nobody waiting", got)
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		inside  int64
		average time.Duration
		want    error
	}{
		{"nothing measured yet", 1000, 0, nil},
		{"idle", 0, time.Second, nil},
		{"two seconds of work per processor", 4, time.Second, nil},
		{"more", 5, time.Second, oauth.Busy},
	} {
		r := newWorld(t).rings()
		r.gate.size = 2
		r.gate.inside.Store(tt.inside)
		r.gate.average.Store(int64(tt.average))
		if err := r.Admit(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	s := r.snapshot.Load()
	r.cfg.Now = func() time.Time { return s.readAt.Add(20 * time.Second) }

	got := r.Stats()

	signing := w.keys(oauth.AccessRing)[0]
	ring := got.Rings[oauth.AccessRing]
	if got.SnapshotAge != 20*time.Second || !ring.NextRotation.Equal(signing.RotateAfter) ||
		ring.SigningAge != s.dbNow.Add(20*time.Second).Sub(*signing.SignsFrom) {
		t.Errorf("got %+v", got)
	}
}
