package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// Rotation is the outcome of [Rings.Rotate], as kids.
type Rotation struct {
	Previous  string // has stopped signing, stays published
	Signing   string
	Announced string
	// Stepped: this call made the step. Otherwise a call on another replica, or at the
	// same time here, had made it already.
	Stepped bool
	// SafeAt is when this step would have been safe, where it was forced before.
	SafeAt time.Time
}

// TooYoungError refuses a rotation to a key that verifiers may not have seen yet.
type TooYoungError struct {
	Ring   oauth.Ring
	SafeAt time.Time // by the database's clock
}

// Error names the ring and the time.
func (e *TooYoungError) Error() string {
	return fmt.Sprintf("the announced key of ring %s is too young to sign, safe at %s",
		e.Ring, e.SafeAt.UTC().Format(time.RFC3339))
}

// Rotate opens the announced key of ring, closes the signing key and announces the next,
// in one statement. It starts from what this replica last saw: of any number of calls
// that saw the same signing key exactly one makes the step, and the others return its
// outcome. Right after a step elsewhere that may be the outcome of that one, so force
// cannot open a key twice by accident.
//
// It returns a [*TooYoungError] while the announced key is younger than the safe lead;
// with force it opens it all the same, and verifiers that cache the JWKS refuse tokens
// until they fetch it again. The key that was announced when the ring was made is old
// enough at once. After a [db.ErrUnavailable] the step may have happened: look before
// forcing another.
func (r *Rings) Rotate(ctx context.Context, ring oauth.Ring, force bool) (Rotation, error) {
	return r.View().Rotate(ctx, ring, force)
}

// View is what this replica sees at one moment. Steps in both rings start from one view:
// the second would otherwise start from what the first one has read again, and a race that
// is lost in one ring would be a second step in the other.
type View struct {
	rings *Rings
	seen  *snapshot
}

// View is of now.
func (r *Rings) View() View { return View{r, r.snapshot.Load()} }

// Rotate is [Rings.Rotate], from what v saw.
func (v View) Rotate(ctx context.Context, ring oauth.Ring, force bool) (Rotation, error) {
	r := v.rings
	seen, err := v.seen.beforeRotation(ring)
	if err != nil {
		return Rotation{}, err
	}
	out, err := r.advance(ctx, ring, seen, step{force: force})
	if err != nil || out.Stepped {
		out.SafeAt = v.unsafeUntil(ring)
		return out, err
	}
	s := r.snapshot.Load()
	now := s.rotation(ring)
	if now.Signing != seen.Signing || now.Announced != seen.Announced {
		return now, nil
	}
	return Rotation{}, &TooYoungError{Ring: ring, SafeAt: s.rings[ring].safeAt(r.cfg.safeLead())}
}

// unsafeUntil is zero where the announced key is old enough.
func (v View) unsafeUntil(ring oauth.Ring) time.Time {
	g := v.seen.rings[ring]
	safe := g.safeAt(v.rings.cfg.safeLead())
	if g.announced.Seq <= 2 || !v.seen.now(v.rings.cfg.Now()).Before(safe) {
		return time.Time{}
	}
	return safe
}

// step is what kind of rotation it is.
type step struct{ due, force, revoke bool }

// advance makes the step from what was seen, unless the database says no; then the outcome
// is zero. The snapshot is younger than the step in any case.
func (r *Rings) advance(ctx context.Context, ring oauth.Ring, seen Rotation, kind step) (Rotation, error) {
	next, err := r.makeKey(ctx, ring)
	if err != nil {
		return Rotation{}, err
	}
	stepped, err := r.cfg.DB.RotateKey(ctx, db.RotationStep{
		Ring: ring, Signing: seen.Signing, Announced: seen.Announced, Next: next,
		Due: kind.due, Force: kind.force, Revoke: kind.revoke,
		SafeLead: r.cfg.safeLead(), PublishedFor: r.cfg.publishedFor(ring), Period: r.cfg.Period,
	})
	if err != nil || !stepped {
		r.discard(ctx, next, err)
		return Rotation{}, errors.Join(err, r.refresh(ctx))
	}
	out := Rotation{Previous: seen.Signing, Signing: seen.Announced, Announced: next.KID, Stepped: true}
	r.reload(ctx, ring)
	if !kind.revoke {
		r.emit(ctx, Rotated{ring, out})
	}
	r.emit(ctx, Announced{ring, next.KID})
	return out, nil
}

// reload is for after a change that is made: if it fails, the next poll sees the change.
func (r *Rings) reload(ctx context.Context, ring oauth.Ring) {
	if err := r.refresh(ctx); err != nil {
		r.cfg.Logger.WarnContext(ctx, "signing keys could not be read after a change", "ring", ring, "err", err)
	}
}

// beforeRotation returns the kids from which a step starts. A signing key that is
// quarantined may be left; one that is to sign must be whole.
func (s *snapshot) beforeRotation(name oauth.Ring) (Rotation, error) {
	g := s.rings[name]
	switch {
	case g == nil:
		return Rotation{}, fmt.Errorf("no key ring is called %q", name)
	case g.signing == nil || g.announced == nil:
		return Rotation{}, notReady("ring %s has no signing or no announced key", name)
	case g.announced.private.isNone():
		return Rotation{}, notReady("announced key %s of ring %s is quarantined", g.announced.KID, name)
	}
	return Rotation{Signing: g.signing.KID, Announced: g.announced.KID}, nil
}

func (s *snapshot) rotation(name oauth.Ring) Rotation {
	var out Rotation
	g := s.rings[name]
	if g.signing != nil {
		out.Signing = g.signing.KID
	}
	if g.announced != nil {
		out.Announced = g.announced.KID
	}
	if len(g.retired) > 0 {
		out.Previous = g.retired[0].KID
	}
	return out
}
