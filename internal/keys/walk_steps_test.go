package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/go-authd/authd/internal/oauth"
)

var walkSteps = []time.Duration{
	time.Millisecond, 500 * time.Millisecond, time.Second, 4 * time.Second, 29 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 5 * day, 100 * day,
}

// wait lets time pass in which nobody does anything.
func (w *walk) wait(rt *rapid.T) { w.pass(rapid.SampledFrom(walkSteps).Draw(rt, "for")) }

// waitToMoment waits until something that is planned, or a little less or more.
func (w *walk) waitToMoment(rt *rapid.T) {
	moments := w.moments(rapid.SampledFrom([]moment{keyIsOld, planIsOver, keyExpires, tokenExpires, setIsOver, capIsOver}).Draw(rt, "moment"), w.replicas)
	if len(moments) == 0 {
		return
	}
	at := rapid.SampledFrom(moments).Draw(rt, "at")
	off := rapid.SampledFrom([]time.Duration{-time.Second, -2 * jitter, 0, 2 * jitter, time.Second}).Draw(rt, "off")
	w.pass(max(at+off-w.time(), 0))
}

// live is wait for replicas that go on with their work.
func (w *walk) live(rt *rapid.T) {
	w.wait(rt)
	w.tendAll(rt)
}

func (w *walk) liveToMoment(rt *rapid.T) {
	w.waitToMoment(rt)
	w.tendAll(rt)
}

func (w *walk) tendAll(rt *rapid.T) {
	for _, r := range w.replicas {
		w.tend(rt, r)
	}
}

func (w *walk) pollOne(rt *rapid.T) { w.poll(rt, w.drawReplica(rt)) }

func (w *walk) poll(rt *rapid.T, r *replica) {
	err := r.poll(w.t.Context())
	r.hasRead()
	if err := errors.Join(err, r.Ready()); err != nil {
		rt.Fatalf("after a reading: %v", err)
	}
}

func (w *walk) tendOne(rt *rapid.T) {
	r := w.drawReplica(rt)
	if rapid.Bool().Draw(rt, "by an old snapshot") {
		w.mustTend(rt, r)
		return
	}
	w.tend(rt, r)
}

func (w *walk) tend(rt *rapid.T, r *replica) {
	w.poll(rt, r)
	w.mustTend(rt, r)
	r.tendedAt = w.time()
}

func (w *walk) mustTend(rt *rapid.T, r *replica) {
	if w.isShortOfKeys() {
		return
	}
	if err := r.tend(w.as(byItself)); err != nil {
		rt.Fatal(err)
	}
	r.hasRead()
}

func (w *walk) rotateOne(rt *rapid.T) {
	w.rotate(rt, w.drawReplica(rt), drawRing(rt), w.drawForce(rt))
}

// rotateTwice on two replicas, the second of which may not have heard of the first.
func (w *walk) rotateTwice(rt *rapid.T) {
	ring := drawRing(rt)
	w.rotate(rt, w.drawReplica(rt), ring, w.drawForce(rt))
	w.rotate(rt, w.drawReplica(rt), ring, w.drawForce(rt))
}

// rotateBehind lets a replica sign with the closed key until the last moment.
func (w *walk) rotateBehind(rt *rapid.T) {
	behind := w.drawReplica(rt)
	w.poll(rt, behind)
	w.rotate(rt, w.drawReplica(rt), drawRing(rt), w.drawForce(rt))
	w.pass(max(behind.readBy+behind.cfg.SnapshotCap-jitter-w.time(), 0))
}

func (w *walk) drawForce(rt *rapid.T) bool { return rapid.IntRange(0, 2).Draw(rt, "force if 2") == 2 }

func (w *walk) rotate(rt *rapid.T, r *replica, ring oauth.Ring, force bool) {
	if w.isShortOfKeys() {
		return
	}
	if err := w.rotation(r, ring, force); err != nil {
		rt.Fatal(err)
	}
	r.hasRead()
}

func (w *walk) rotation(r *replica, ring oauth.Ring, force bool) error {
	h := byHand
	if force {
		h = byForce
	}
	_, err := r.Rotate(w.as(h), ring, force)
	if _, young := errors.AsType[*TooYoungError](err); young && !force {
		return nil
	}
	return err
}

// atOnce lets several goroutines change a ring at the same time.
func (w *walk) atOnce(rt *rapid.T) {
	if w.isShortOfKeys() {
		return
	}
	racers, ring := make([]func() error, rapid.IntRange(2, 5).Draw(rt, "racers")), drawRing(rt)
	for i := range racers {
		racers[i] = w.drawRacer(rt, ring)
	}
	if err := w.together(racers); err != nil {
		rt.Fatal(err)
	}
	for _, r := range w.replicas {
		r.hasRead() // some have
	}
}

func (w *walk) drawRacer(rt *rapid.T, ring oauth.Ring) func() error {
	r, open := w.drawReplica(rt), w.open(ring)
	switch rapid.SampledFrom([]string{"tend", "tend", "rotate", "rotate", "force", "poll", "revoke"}).Draw(rt, "what") {
	case "tend":
		return func() error { return r.tend(w.as(byItself)) }
	case "rotate":
		return func() error { return w.rotation(r, ring, false) }
	case "force":
		return func() error { return w.rotation(r, ring, true) }
	case "revoke":
		kid := rapid.SampledFrom(open).Draw(rt, "key")
		return func() error { return w.revocation(r, kid) }
	}
	return func() error { return r.poll(w.t.Context()) }
}

// restart brings the same host up with another configuration.
func (w *walk) restart(rt *rapid.T) {
	i := rapid.IntRange(0, len(w.replicas)-1).Draw(rt, "replica")
	w.replicas[i] = w.start(rt, w.replicas[i].host)
}

func (w *walk) comeOrGo(rt *rapid.T) {
	if n := len(w.replicas); n > 1 && rapid.Bool().Draw(rt, "go") {
		i := rapid.IntRange(0, n-1).Draw(rt, "replica")
		w.replicas = slices.Delete(slices.Clone(w.replicas), i, i+1)
	} else if n < 4 {
		w.replicas = append(w.replicas, w.start(rt, w.drawHost(rt)))
	}
}

func (w *walk) drawKey(rt *rapid.T) string {
	if rapid.Bool().Draw(rt, "an open one") {
		return rapid.SampledFrom(w.open(drawRing(rt))).Draw(rt, "key")
	}
	return rapid.SampledFrom(w.kids).Draw(rt, "key")
}

func (w *walk) revokeOne(rt *rapid.T) {
	r := w.drawReplica(rt)
	if w.isShortOfKeys() || rapid.IntRange(0, 2).Draw(rt, "revoke if 2") != 2 {
		return
	}
	if err := w.revocation(r, w.drawKey(rt)); err != nil {
		rt.Fatal(err)
	}
	r.hasRead()
}

func (w *walk) revocation(r *replica, kid string) error {
	out, err := r.Revoke(w.as(byForce), kid)
	if err == nil && (out.Signing == kid || out.Announced == kid || r.snapshot.Load().find(out.Ring, kid) != nil) {
		err = fmt.Errorf("revoked key %s stays in use", kid)
	}
	return err
}

// sleep stops one host. Its monotonic clock stands still: only the wall tells. (Of a clock
// that is set back meanwhile nothing could tell; nobody sets it before the next reading.)
func (w *walk) sleep(rt *rapid.T) {
	r := w.drawReplica(rt)
	w.poll(rt, r)
	d := rapid.SampledFrom(walkSteps).Draw(rt, "for")
	w.pass(d)
	r.host.slept += d
}

// setClock sets the wall clock of a host.
func (w *walk) setClock(rt *rapid.T) {
	r := w.drawReplica(rt)
	w.poll(rt, r)
	r.host.off = rapid.SampledFrom([]time.Duration{0, -30 * time.Second, 50 * time.Second, -2 * time.Hour, 2 * time.Hour, -300 * day}).Draw(rt, "clock off by")
}

// signAfterRest is what a request does at a replica that has rested: [Rings.Admit] first.
func (w *walk) signAfterRest(rt *rapid.T) {
	r := w.drawReplica(rt)
	w.pass(rapid.SampledFrom(walkSteps).Draw(rt, "rest"))
	if err := r.Admit(w.t.Context()); err != nil {
		rt.Fatal(err)
	}
	r.hasRead()
	if _, err := r.Signing(oauth.AccessRing); err != nil && !errors.Is(err, ErrNotReady) {
		rt.Fatal(err)
	}
}

// signAndRetry signs at one replica, and at another under the kid of a token from before.
func (w *walk) signAndRetry(rt *rapid.T) {
	ring := drawRing(rt)
	r, other := w.drawReplica(rt), w.drawReplica(rt)
	if kid, err := r.Signing(ring); err == nil {
		token := w.mustSign(rt, r, ring, kid)
		if first, ok := w.tokens[kid]; ok && first != token {
			rt.Fatalf("key %s signed the same payload with other bytes", kid)
		}
		w.tokens[kid] = token
	}
	kid := w.drawKey(rt)
	first, signed := w.tokens[kid]
	if _, err := other.Signing(w.rows[kid].Ring); err != nil || !signed || !w.mustRetry(w.time(), other, kid) {
		return
	}
	if again := w.mustSign(rt, other, w.rows[kid].Ring, kid); again != first {
		rt.Fatalf("a retry of what key %s had signed got other bytes", kid)
	}
}

func (w *walk) mustSign(rt *rapid.T, r *replica, ring oauth.Ring, kid string) string {
	token, err := r.Sign(w.t.Context(), ring, kid, oauth.TypeAccessToken, []byte(`{}`))
	if err != nil {
		rt.Fatal(err)
	}
	if c, err := oauth.ParseCompact(token); err != nil || c.VerifyRS256(&w.made[c.Kid].PublicKey) != nil {
		rt.Fatalf("a token that its key does not verify: %v", err)
	}
	return token
}
