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
	stepped, err := r.step(ctx, ring, seen, force)
	if err != nil {
		return Rotation{}, err
	}
	if err := r.refresh(ctx); err != nil && !stepped {
		return Rotation{}, err
	}
	now := r.snapshot.Load().rotation(ring)
	if !stepped {
		return r.notStepped(ring, seen, now)
	}
	now.Stepped = true
	if r.cfg.OnRotate != nil {
		r.cfg.OnRotate(ctx, ring, now)
	}
	return now, nil
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
	case g.announced.private.rsa == nil:
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

func (r *Rings) step(ctx context.Context, ring oauth.Ring, seen Rotation, force bool) (bool, error) {
	next, err := r.newKey(ring)
	if err != nil {
		return false, err
	}
	step := db.RotationStep{
		Ring: ring, Signing: seen.Signing, Announced: seen.Announced, Next: next,
		SafeLead: r.cfg.safeLead(), PublishedFor: r.cfg.publishedFor(ring), Period: r.cfg.Period,
	}
	if force {
		step.SafeLead = 0
	}
	return r.cfg.DB.RotateKey(ctx, step)
}

// notStepped tells a race that was lost from a key that was too young.
func (r *Rings) notStepped(ring oauth.Ring, seen, now Rotation) (Rotation, error) {
	if now.Signing != seen.Signing || now.Announced != seen.Announced {
		return now, nil
	}
	announced := r.snapshot.Load().find(ring, now.Announced)
	return Rotation{}, &TooYoungError{Ring: ring, SafeAt: announced.AnnouncedAt.Add(r.cfg.safeLead())}
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
	sealed, err := private{generated}.seal(r.cfg.KEKs[0], ring, kid)
	if err != nil {
		return db.NewKey{}, err
	}
	return db.NewKey{KID: kid, Alg: alg, PublicJWK: public, PrivateJWE: sealed}, nil
}
