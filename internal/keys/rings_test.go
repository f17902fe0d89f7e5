package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Making an RSA key takes a second under the race detector; every two of a few primes make
// another one.
var primes = sync.OnceValue(func() []*big.Int {
	out := make([]*big.Int, 12)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() {
			var err error
			if out[i], err = rand.Prime(rand.Reader, 1024); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
	return out
})

var keyCount = 12 * 11 / 2

// testKey returns the i-th of keyCount different RSA-2048 keys.
func testKey(i int) *rsa.PrivateKey {
	p := primes()
	for a := range p {
		if i < a {
			return keyOf(p[a], p[i])
		}
		i -= a
	}
	panic("more keys asked for than there are")
}

func keyOf(p, q *big.Int) *rsa.PrivateKey {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi),
		Primes:    []*big.Int{p, q},
	}
	k.Precompute()
	return k
}

// world is a database and the replicas on it.
type world struct {
	t    testing.TB
	pool *pgxpool.Pool
	made atomic.Int64 // keys
	// ahead is how far the monotonic clock of the replicas is ahead of the test's.
	ahead atomic.Int64
	log   lockedBuffer
	kek   KEK
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{t: t, pool: dbtest.New(t), kek: newTestKEK(t)}
}

func newTestKEK(t testing.TB) KEK {
	t.Helper()
	text, err := NewKEK(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKEK(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) config() Config {
	return Config{
		DB:       db.New(w.pool),
		KEKs:     []KEK{w.kek},
		Now:      func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
		Logger:   slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		generate: func(int) (*rsa.PrivateKey, error) { return testKey(int(w.made.Add(1) - 1)), nil },
	}
}

// rings starts a replica.
func (w *world) rings() *Rings {
	w.t.Helper()
	r, err := New(w.t.Context(), w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// advance moves both clocks, the database's and the replicas', to offset from the start.
func (w *world) advance(offset time.Duration) {
	w.t.Helper()
	w.ahead.Store(int64(offset))
	dbtest.SetClock(w.t, w.pool, offset)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) keys(ring oauth.Ring) []oauth.Key {
	w.t.Helper()
	all, err := List(w.t.Context(), db.New(w.pool))
	if err != nil {
		w.t.Fatal(err)
	}
	var out []oauth.Key
	for _, k := range all {
		if k.Ring == ring {
			out = append(out, k)
		}
	}
	return out
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func mustSign(t testing.TB, r *Rings, ring oauth.Ring, kid, typ, payload string) string {
	t.Helper()
	token, err := r.Sign(t.Context(), ring, kid, typ, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func mustVerify(t testing.TB, r *Rings, ring oauth.Ring, typ, token string) oauth.Compact {
	t.Helper()
	c, err := r.Verify(t.Context(), ring, typ, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustRotate(t testing.TB, r *Rings, ring oauth.Ring, force bool) Rotation {
	t.Helper()
	out, err := r.Rotate(t.Context(), ring, force)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustPoll(t testing.TB, r *Rings) {
	t.Helper()
	if err := errors.Join(r.poll(t.Context()), r.tend(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// F-55a: the private keys are made here, and not given.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	r := w.rings()

	if err := r.Ready(); err != nil {
		t.Error(err)
	}
	for _, name := range allRings {
		all := w.keys(name)
		if len(all) != 2 {
			t.Fatalf("ring %s has %d keys, want 2", name, len(all))
		}
		now := all[0].AnnouncedAt
		if got, want := all[0].State(now), oauth.KeySigning; got != want {
			t.Errorf("first key is %s, want %s", got, want)
		}
		if got, want := all[1].State(now), oauth.KeyAnnounced; got != want {
			t.Errorf("second key is %s, want %s", got, want)
		}
		for i, k := range all {
			if got, want := k.RotateAfter, now.Add(time.Duration(i+1)*30*24*time.Hour); !got.Equal(want) {
				t.Errorf("key %d is planned to be rotated at %s, want %s", i, got, want)
			}
		}
		if kid, err := r.Signing(name); err != nil || kid != all[0].KID {
			t.Errorf("signing key is %q, %v, want %q", kid, err, all[0].KID)
		}
	}
}

func TestRestartKeepsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := mustSign(t, w.rings(), oauth.AccessRing, "", oauth.TypeAccessToken, `{"a":1}`)
	made := w.made.Load()

	again := w.rings()

	if got := w.made.Load(); got != made {
		t.Errorf("%d keys made by the second start, want 0", got-made)
	}
	if got := mustSign(t, again, oauth.AccessRing, "", oauth.TypeAccessToken, `{"a":1}`); got != token {
		t.Error("same payload and key gave other bytes after a restart, RFC 8017 §8.2")
	}
	if c := mustVerify(t, again, oauth.AccessRing, oauth.TypeAccessToken, token); string(c.Payload) != `{"a":1}` {
		t.Errorf("payload %q", c.Payload)
	}
}

// Many replicas may meet one empty database.
func TestFirstStartConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	replicas := make([]*Rings, 8)
	var sawNone, wg sync.WaitGroup
	sawNone.Add(len(replicas))
	for i := range replicas {
		cfg := w.config()
		generate, once := cfg.generate, sync.Once{}
		cfg.generate = func(bits int) (*rsa.PrivateKey, error) {
			once.Do(func() { sawNone.Done(); sawNone.Wait() })
			return generate(bits)
		}
		wg.Go(func() {
			r, err := New(t.Context(), cfg)
			if err != nil {
				t.Error(err)
			}
			replicas[i] = r
		})
	}
	wg.Wait()

	if t.Failed() {
		t.FailNow()
	}
	for _, name := range allRings {
		if got := len(w.keys(name)); got != 2 {
			t.Errorf("ring %s has %d keys, want 2", name, got)
		}
		token := mustSign(t, replicas[0], name, "", "t+jwt", "{}")
		for _, r := range replicas {
			if err := r.Ready(); err != nil {
				t.Error(err)
			}
			mustVerify(t, r, name, "t+jwt", token)
		}
	}
	if got := strings.Count(w.log.String(), "key ring made"); got != 2 {
		t.Errorf("%d replicas say that they made a ring, want 2", got)
	}
}

// The replica of a database that went away serves what it can.
func TestSnapshotTooOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rings()
	token := mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")

	w.ahead.Store(int64(61 * time.Second))

	_, signErr := r.Sign(t.Context(), oauth.AccessRing, "", oauth.TypeAccessToken, []byte("{}"))
	_, kidErr := r.Signing(oauth.RefreshRing)
	for _, err := range []error{signErr, kidErr, r.Ready()} {
		if !errors.Is(err, ErrNotReady) || !errors.Is(err, oauth.Unavailable) {
			t.Errorf("got %v, want ErrNotReady and a refusal for the client", err)
		}
	}
	if _, err := r.JWKS(); err != nil {
		t.Errorf("JWKS: %v", err)
	}
	mustVerify(t, r, oauth.AccessRing, oauth.TypeAccessToken, token)

	mustPoll(t, r)
	if err := r.Ready(); err != nil {
		t.Errorf("after the next poll: %v", err)
	}
	mustSign(t, r, oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
}

func TestRunPollsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	cfg.Poll = time.Millisecond
	r, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first, done := r.snapshot.Load(), make(chan struct{})
	go func() { r.Run(ctx); close(done) }()

	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.snapshot.Load() == first {
		<-tick.C
	}
	cancel()
	<-done
}

// K-17: when a key begins and ends is the database's to say.
func TestReplicasClockDoesNotMatter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := mustSign(t, w.rings(), oauth.AccessRing, "", oauth.TypeAccessToken, "{}")
	mustRotate(t, w.rings(), oauth.AccessRing, false)
	for _, off := range []time.Duration{-2 * time.Hour, 2 * time.Hour} {
		w.ahead.Store(int64(off))
		r := w.rings()

		mustVerify(t, r, oauth.AccessRing, oauth.TypeAccessToken, token)
		if doc, err := r.JWKS(); err != nil || doc.MaxAge != 5*time.Minute {
			t.Errorf("clock %s off: max-age %s, %v", off, doc.MaxAge, err)
		}
		if got := len(kidsOf(t, r)); got != 3 {
			t.Errorf("clock %s off: %d keys published, want 3", off, got)
		}
	}
}
