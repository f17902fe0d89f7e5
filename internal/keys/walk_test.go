package keys

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/go-authd/authd/internal/oauth"
)

// Of rapid's default, 100 walks, the normal run makes as many as take a few seconds.
func init() {
	if os.Getenv("RAPID_CHECKS") == "" {
		if err := flag.Set("rapid.checks", "40"); err != nil {
			panic(err)
		}
	}
}

// A random walk of time, rotations, revocations, restarts and replicas with other
// configurations and other clocks. After each step every replica signs and serves the JWKS,
// and a model keeps all answers that a verifier may still hold.
//
// It is long with -rapid.checks=1000, or RAPID_CHECKS.
func TestKeysAgainstTheModel(t *testing.T) {
	t.Parallel()
	world := newWalkWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		world.clear()
		w := &walk{walkWorld: world, model: newModel()}
		w.firstStart(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"":                  w.check,
			"wait":              w.wait,
			"live":              w.live,
			"live to a moment":  w.liveToMoment,
			"wait to a moment":  w.waitToMoment,
			"poll":              w.pollOne,
			"tend":              w.tendOne,
			"rotate":            w.rotateOne,
			"rotate twice":      w.rotateTwice,
			"rotate behind":     w.rotateBehind,
			"at once":           w.atOnce,
			"restart":           w.restart,
			"come or go":        w.comeOrGo,
			"revoke":            w.revokeOne,
			"sleep":             w.sleep,
			"set a clock":       w.setClock,
			"sign after a rest": w.signAfterRest,
			"sign and retry":    w.signAndRetry,
		})
	})
}

// walk is one of them.
type walk struct {
	*walkWorld
	*model
	replicas []*replica
}

// how a step came about, told to the event hook by its context.
type how string

const (
	byItself how = "automatic"
	byHand   how = "by hand"
	byForce  how = "forced"
)

type howKey struct{}

func (w *walk) as(h how) context.Context { return context.WithValue(w.t.Context(), howKey{}, h) }

// told may be called by several replicas at once.
func (w *walk) told(ctx context.Context, c *Config, e Event) {
	h, _ := ctx.Value(howKey{}).(how)
	w.model.told(h, *c, e)
}

// firstStart is of one to three replicas, all of which see that there are no keys.
func (w *walk) firstStart(rt *rapid.T) {
	starts := make([]func() error, rapid.IntRange(1, 3).Draw(rt, "replicas"))
	w.replicas = make([]*replica, len(starts))
	for i := range starts {
		h := w.drawHost(rt)
		c := w.drawConfig(rt, h, w.told)
		starts[i] = func() (err error) {
			w.replicas[i], err = w.startWith(h, c)
			return err
		}
	}
	if err := w.together(starts); err != nil {
		rt.Fatal(err)
	}
}

func (w *walk) drawHost(rt *rapid.T) *host {
	off := rapid.SampledFrom([]time.Duration{0, 0, time.Second, -time.Second, 3 * time.Hour, -3 * time.Hour, 400 * day}).Draw(rt, "clock off by")
	return &host{walkWorld: w.walkWorld, off: off}
}

func (w *walk) startWith(h *host, c Config) (*replica, error) {
	rings, err := New(w.as(byItself), c)
	if err != nil {
		return nil, err
	}
	r := &replica{Rings: rings, host: h, tendedAt: w.time()}
	r.hasRead()
	return r, nil
}

func (w *walk) start(rt *rapid.T, h *host) *replica {
	r, err := w.startWith(h, w.drawConfig(rt, h, w.told))
	if err != nil {
		rt.Fatal(err)
	}
	return r
}

func (w *walk) drawReplica(rt *rapid.T) *replica {
	return w.replicas[rapid.IntRange(0, len(w.replicas)-1).Draw(rt, "replica")]
}

func drawRing(rt *rapid.T) oauth.Ring { return rapid.SampledFrom(allRings).Draw(rt, "ring") }

// check is made after each step.
func (w *walk) check(rt *rapid.T) {
	found, _ := w.pool.Query(w.t.Context(), walkRows)
	rows, err := pgx.CollectRows(found, pgx.RowToStructByName[walkRow])
	if err != nil {
		rt.Fatal(err)
	}
	w.moveTo(rt, w.time(), rows)
	w.freeAllBut(w.rows)
	w.checkRings(rt)
	for _, r := range w.replicas {
		w.hearSigning(rt, r)
	}
	for _, r := range w.replicas {
		w.fetch(rt, r)
		w.checkRefreshRing(rt, r)
	}
	w.checkVerifiers(rt)
}
