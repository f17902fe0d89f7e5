package keys

import (
	"context"
	"crypto/rsa"
	"errors"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
)

// walkEpoch is when each walk begins, by the database's clock and by every right one.
var walkEpoch = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// walkWorld is a database whose time passes only when the walk says so, but for a
// microsecond each time that somebody looks: no two events are at the same moment.
type walkWorld struct {
	t       *testing.T
	pool    *pgxpool.Pool
	kek     KEK
	elapsed atomic.Int64 // since walkEpoch

	// race, if set, holds whoever has made a key until all racers have, or have ended:
	// what they do with it then comes close together.
	race atomic.Pointer[gathering]

	mu   sync.Mutex
	made map[string]*rsa.PrivateKey
	free []string // kids of those that no row has and nobody was given
}

func newWalkWorld(t *testing.T) *walkWorld {
	w := &walkWorld{t: t, pool: dbtest.New(t), kek: newTestKEK(t), made: make(map[string]*rsa.PrivateKey)}
	w.exec(`create table authd.walk_clock (at timestamptz not null)`)
	w.exec(`insert into authd.walk_clock values ('epoch')`)
	w.exec(`create sequence authd.walk_ticks`)
	w.exec(`create or replace function authd.clock() returns timestamptz language sql volatile as
		'select at + nextval(''authd.walk_ticks'') * interval ''1 microsecond'' from authd.walk_clock'`)
	return w
}

func (w *walkWorld) exec(sql string, args ...any) {
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// clear begins a new walk.
func (w *walkWorld) clear() {
	w.exec(`delete from authd.signing_keys`)
	w.exec(`select setval('authd.walk_ticks', 1)`)
	w.elapsed.Store(0)
	w.pass(0)
	w.freeAllBut(nil)
}

func (w *walkWorld) time() time.Duration { return time.Duration(w.elapsed.Load()) }

func (w *walkWorld) pass(d time.Duration) {
	w.exec(`update authd.walk_clock set at = $1`, walkEpoch.Add(time.Duration(w.elapsed.Add(int64(d)))))
}

// walkKeys is how many keys there are: three public exponents for each pair of primes.
var walkKeys = 3 * keyCount

func walkKey(i int) *rsa.PrivateKey {
	k := testKey(i / 3)
	if e := []int{65537, 65539, 65543}[i%3]; e != k.E {
		k.E = e
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(k.Primes[0], one), new(big.Int).Sub(k.Primes[1], one))
		k.D = new(big.Int).ModInverse(big.NewInt(int64(e)), phi)
		k.Precomputed = rsa.PrecomputedValues{}
		k.Precompute()
	}
	return k
}

var errNoMoreKeys = errors.New("the walk has no more keys")

// gathering is where so many goroutines wait for each other.
type gathering struct {
	missing atomic.Int64
	all     chan struct{}
}

// arrive does not wait. Who has waited may arrive again.
func (g *gathering) arrive() {
	if g.missing.Add(-1) == 0 {
		close(g.all)
	}
}

// together runs every one at once.
func (w *walkWorld) together(racers []func() error) error {
	g := &gathering{all: make(chan struct{})}
	g.missing.Store(int64(len(racers)))
	w.race.Store(g)
	defer w.race.Store(nil)
	errs := make([]error, len(racers))
	var group sync.WaitGroup
	for i, run := range racers {
		group.Go(func() {
			errs[i] = run()
			g.arrive()
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (w *walkWorld) generate(int) (*rsa.PrivateKey, error) {
	k, err := w.takeKey()
	if g := w.race.Load(); g != nil {
		g.arrive()
		<-g.all
	}
	return k, err
}

// takeKey gives out keys of earlier walks before it makes another.
func (w *walkWorld) takeKey() (*rsa.PrivateKey, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.free); n > 0 {
		kid := w.free[n-1]
		w.free = w.free[:n-1]
		return w.made[kid], nil
	}
	if len(w.made) == walkKeys {
		return nil, errNoMoreKeys
	}
	k := walkKey(len(w.made))
	kid, err := thumbprint(&k.PublicKey)
	w.made[kid] = k
	return k, err
}

// freeAllBut is for when nobody is making a key.
func (w *walkWorld) freeAllBut(rows map[string]walkRow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free = w.free[:0]
	for kid := range w.made {
		if _, used := rows[kid]; !used {
			w.free = append(w.free, kid)
		}
	}
}

// isShortOfKeys: a walk that made so many keys goes on without making more.
func (w *walkWorld) isShortOfKeys() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return walkKeys-len(w.made)+len(w.free) < 20
}

// host has the two clocks of a machine: what hangs on the wall may be off and be set, the
// monotonic one runs with time and stands still while the machine sleeps.
type host struct {
	*walkWorld
	off, slept time.Duration
}

func (h *host) read() time.Time {
	at := h.time()
	return clockReading(walkEpoch.Add(at+h.off), at-h.slept)
}

// clockReading is a time with both its parts as given, which package time makes for the
// two clocks of this machine only.
func clockReading(wall time.Time, monotonic time.Duration) time.Time {
	t := time.Now()
	t = t.Add(wall.Sub(t)) // the monotonic part too
	(*struct {
		wall uint64
		ext  int64 // the monotonic part, in nanoseconds
		loc  *time.Location
	})(unsafe.Pointer(&t)).ext = int64(monotonic)
	return t
}

func TestClockReading(t *testing.T) {
	t.Parallel()
	a := clockReading(walkEpoch, time.Hour)
	b := clockReading(walkEpoch.Add(-time.Minute), 3*time.Hour)

	if got := b.Sub(a); got != 2*time.Hour {
		t.Errorf("monotonic parts are %s apart, want 2 h", got)
	}
	if got := b.Round(0).Sub(a.Round(0)); got != -time.Minute {
		t.Errorf("walls are %s apart, want -1 min", got)
	}
}

// replica is a server process on a host.
type replica struct {
	*Rings
	host *host
	// readBy is when it read the rings last, at the latest; tendedAt is when it did what
	// was to be done, as it read then.
	readBy, tendedAt time.Duration
}

func (r *replica) hasRead() { r.readBy = r.host.time() }

// isFresh: it may sign, unless its host's clock was set.
func (r *replica) isFresh() bool { return r.host.time()-r.readBy <= r.cfg.SnapshotCap }

// isAwake: it does what every server does, at least every snapshot cap.
func (r *replica) isAwake() bool { return r.isFresh() && r.host.time()-r.tendedAt <= r.cfg.SnapshotCap }

// drawConfig returns a configuration that [New] takes.
func (w *walkWorld) drawConfig(rt *rapid.T, h *host, told func(context.Context, *Config, Event)) Config {
	c := Config{
		DB: db.New(w.pool), KEKs: []KEK{w.kek}, Now: h.read, Logger: slog.New(slog.DiscardHandler), generate: w.generate,
		MaxAge:      rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, 5 * time.Minute, time.Hour}).Draw(rt, "max-age"),
		SnapshotCap: rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, lag}).Draw(rt, "snapshot cap"),
		Skew:        rapid.SampledFrom([]time.Duration{NoSkew, time.Second, time.Minute}).Draw(rt, "skew"),
	}
	c.Poll = c.SnapshotCap / 2
	safe := 2*c.MaxAge + c.SnapshotCap + max(c.Skew, 0)
	c.Lead = safe + rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Second, day}).Draw(rt, "lead beyond the safe one")
	c.Period = c.Lead + rapid.SampledFrom([]time.Duration{0, 0, time.Minute, 30 * day}).Draw(rt, "period beyond the lead")
	c.OnEvent = func(ctx context.Context, e Event) { told(ctx, &c, e) }
	return c
}
