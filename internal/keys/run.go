package keys

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// retryInterval is the next attempt after a failed one, if that is sooner.
const retryInterval = time.Second

// Run keeps the snapshot young and tends the rings, until ctx ends: it rotates them when
// the plan on their rows says so, wipes private halves that are due, and gives a ring
// without an announced key one. Every replica runs it; none leads. A failure is logged and
// tried again after a second.
func (r *Rings) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { r.repeat(ctx, r.poll) })
	all.Go(func() { r.repeat(ctx, r.tend) }) // apart: a KMS that hangs must not hold up the poll
	all.Go(func() { r.repeat(ctx, r.mend) })
	all.Wait()
}

func (r *Rings) repeat(ctx context.Context, do func(context.Context) error) {
	timer := time.NewTimer(r.cfg.Poll)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := r.cfg.Poll
		if err := do(ctx); err != nil && ctx.Err() == nil {
			next = min(next, retryInterval)
		}
		timer.Reset(next)
	}
}

func (r *Rings) poll(ctx context.Context) error {
	err := r.refresh(ctx)
	if err != nil && ctx.Err() == nil {
		age := r.snapshot.Load().age(r.cfg.Now())
		r.cfg.Logger.WarnContext(ctx, "signing keys could not be read", "snapshot_age", age, "err", err)
	}
	return err
}

// tend does what the snapshot says is to be done. The database decides again whether it is.
func (r *Rings) tend(ctx context.Context) error {
	var errs []error
	do := func(what string, err error) {
		if err == nil || ctx.Err() != nil {
			return
		}
		r.cfg.Logger.WarnContext(ctx, "signing keys could not be tended", "task", what, "err", err)
		errs = append(errs, fmt.Errorf("%s: %w", what, err))
	}
	do("wipe", r.wipe(ctx))
	do("destroy", r.destroy(ctx))
	do("safe lead", r.raiseSafeLead(ctx))
	for _, ring := range allRings {
		do("announce for ring "+string(ring), r.announceMissing(ctx, ring))
		do("rotate ring "+string(ring), r.rotateDue(ctx, ring))
	}
	return errors.Join(errs...)
}

func (r *Rings) wipe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	kids, err := r.cfg.DB.WipeKeys(ctx, r.cfg.signsAfter())
	if err == nil && len(kids) > 0 {
		r.cfg.Logger.InfoContext(ctx, "private halves of retired signing keys wiped", "kids", kids)
	}
	return err
}

// destroy is wipe for what a KMS or HSM keeps. The row forgets the key last: whoever is
// interrupted in between does it again.
func (r *Rings) destroy(ctx context.Context) error {
	if r.cfg.Signer == nil {
		return nil
	}
	dead, err := r.cfg.DB.DeadSignerKeys(ctx, r.cfg.signsAfter())
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range dead {
		if err := r.destroyDead(ctx, k); err != nil {
			errs = append(errs, fmt.Errorf("key %s: %w", k.KID, err))
		}
	}
	return errors.Join(errs...)
}

func (r *Rings) destroyDead(ctx context.Context, k db.SignerKey) error {
	if err := r.destroyKey(ctx, k.Name); err != nil {
		return err
	}
	done, err := r.cfg.DB.ForgetSignerKey(ctx, k)
	if done {
		r.cfg.Logger.InfoContext(ctx, "private half of a signing key destroyed", "kid", k.KID)
	}
	return err
}

// raiseSafeLead lets the rows know what this replica promises verifiers, before it answers
// the first of them and after each rotation by a replica that promises less.
func (r *Rings) raiseSafeLead(ctx context.Context) error {
	if s := r.snapshot.Load(); s != nil && s.promises(r.cfg.safeLead()) {
		return nil
	}
	return r.cfg.DB.RaiseSafeLead(ctx, r.cfg.safeLead())
}

// promises reports whether each open key's row has at least this safe lead.
func (s *snapshot) promises(safeLead time.Duration) bool {
	for _, g := range s.rings {
		for _, k := range []*key{g.signing, g.announced} {
			if k != nil && k.safeLead < safeLead {
				return false
			}
		}
	}
	return true
}

// announceMissing mends a ring that somebody has changed by hand.
func (r *Rings) announceMissing(ctx context.Context, ring oauth.Ring) error {
	if g := r.snapshot.Load().rings[ring]; g.announced != nil || g.signing == nil {
		return nil
	}
	_, err := r.announce(ctx, ring, "")
	return err
}

// rotateDue takes the step that the row plans. Of replicas that do so at once, one does.
func (r *Rings) rotateDue(ctx context.Context, ring oauth.Ring) error {
	s := r.snapshot.Load()
	if !s.rings[ring].due(s.now(r.cfg.Now()), r.cfg.safeLead()) {
		return nil
	}
	seen, err := s.beforeRotation(ring)
	if err != nil {
		return err
	}
	_, err = r.advance(ctx, ring, seen, step{due: true})
	return err
}
