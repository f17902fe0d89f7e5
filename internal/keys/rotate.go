package keys

import (
	"context"
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
	seen, err := r.snapshot.Load().beforeRotation(ring)
	if err != nil {
		return Rotation{}, err
	}
	next, stepped, err := r.step(ctx, ring, seen, force)
	if err != nil {
		return Rotation{}, err
	}
	err = r.refresh(ctx)
	if !stepped {
		return r.notStepped(ring, seen, err)
	}
	out := Rotation{Previous: seen.Signing, Signing: seen.Announced, Announced: next, Stepped: true}
	if err != nil { // the step is made; the next poll sees it
		r.cfg.Logger.WarnContext(ctx, "signing keys could not be read after a rotation", "ring", ring, "err", err)
	}
	if r.cfg.OnRotate != nil {
		r.cfg.OnRotate(ctx, ring, out)
	}
	return out, nil
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

// step returns the kid that it announced, if it made the step.
func (r *Rings) step(ctx context.Context, ring oauth.Ring, seen Rotation, force bool) (string, bool, error) {
	next, err := r.newKey(ring)
	if err != nil {
		return "", false, err
	}
	step := db.RotationStep{
		Ring: ring, Signing: seen.Signing, Announced: seen.Announced, Next: next,
		SafeLead: r.cfg.safeLead(), PublishedFor: r.cfg.publishedFor(ring), Period: r.cfg.Period,
	}
	if force {
		step.SafeLead = 0
	}
	stepped, err := r.cfg.DB.RotateKey(ctx, step)
	return next.KID, stepped, err
}

// notStepped tells a race that was lost from a key that was too young.
func (r *Rings) notStepped(ring oauth.Ring, seen Rotation, readErr error) (Rotation, error) {
	if readErr != nil {
		return Rotation{}, readErr
	}
	s := r.snapshot.Load()
	now := s.rotation(ring)
	if now.Signing != seen.Signing || now.Announced != seen.Announced {
		return now, nil
	}
	return Rotation{}, &TooYoungError{Ring: ring, SafeAt: s.find(ring, now.Announced).AnnouncedAt.Add(r.cfg.safeLead())}
}

// newKey makes a key and seals its private half for ring.
func (r *Rings) newKey(ring oauth.Ring) (db.NewKey, error) {
	generated, err := r.cfg.generate(r.cfg.Bits)
	if err != nil {
		return db.NewKey{}, fmt.Errorf("generate a key: %w", err)
	}
	kid, err := thumbprint(&generated.PublicKey)
	if err != nil {
		return db.NewKey{}, fmt.Errorf("name a key: %w", err)
	}
	public, err := publicJWK(&generated.PublicKey, kid)
	if err != nil {
		return db.NewKey{}, fmt.Errorf("encode a public key: %w", err)
	}
	sealed, err := newPrivate(generated).seal(r.cfg.KEKs[0], ring, kid)
	if err != nil {
		return db.NewKey{}, err
	}
	return db.NewKey{KID: kid, Alg: alg, PublicJWK: public, PrivateJWE: sealed}, nil
}
