// Package keys holds the two rings of signing keys: their schedule and rotation, the
// private halves sealed at rest, signing, verifying, and the JWKS document.
//
// A [Rings] works on an immutable snapshot of the database that it renews by polling.
// Signing, verifying and the document take no lock and no query; only a kid that the
// snapshot does not know causes one, at most once a second.
package keys

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

var (
	// ErrNotReady: nothing may be signed now. It comes with [oauth.Unavailable], because
	// a client that tries again at another replica, or here a little later, is served.
	ErrNotReady = errors.New("signing keys are not ready")
	// ErrInvalid stands for every reason that a token itself gives for being refused.
	ErrInvalid = errors.New("invalid token")
	// ErrKEK: a key-encryption key that the database needs is missing or is another one.
	ErrKEK = errors.New("key-encryption key does not fit the database")
)

// Both rings are made, read and checked in this order.
var allRings = []oauth.Ring{oauth.AccessRing, oauth.RefreshRing}

const (
	// readTimeout bounds a reading of the rings, so that a hanging database cannot hold
	// up the next attempt.
	readTimeout = 5 * time.Second
	// retryInterval is the poll after a failed one, if that is sooner.
	retryInterval = time.Second
	// rereadInterval is the least time between two readings that tokens cause.
	rereadInterval = time.Second
	// wipeDelay is how long a private half outlives its signing, apart from the grace
	// window: snapshots that still call it signing are at most 60 s old.
	wipeDelay = 120 * time.Second
)

// Rings signs and verifies with the keys of one database. Its methods are safe for
// concurrent use. It owns no goroutine; see [Rings.Run].
type Rings struct {
	cfg      Config
	gate     *gate
	snapshot atomic.Pointer[snapshot]

	// reading is held while the database is read, so that no older snapshot replaces a
	// newer one. It guards the two fields below.
	reading   chan struct{}
	rereadAt  time.Time // when a token last caused a reading
	rereadErr error     // what came of it
}

// New checks the configuration and the database's key-encryption keys, makes both rings
// in a database that has none, and takes the first snapshot. Any number of replicas may
// do so at once.
//
// It returns an error that wraps [ErrKEK] and names only ids when a key-encryption key is
// missing or wrong: nothing is made then. A single row that cannot be opened is no error
// here but a loud log line, and [Rings.Ready] fails if it is a signing key.
func New(ctx context.Context, cfg Config) (*Rings, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Rings{cfg: cfg, gate: newGate(), reading: make(chan struct{}, 1)}
	if err := r.checkKEKs(ctx); err != nil {
		return nil, err
	}
	if err := r.makeRings(ctx); err != nil {
		return nil, err
	}
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Run renews the snapshot and wipes private halves that are due, until ctx ends. Every
// replica runs it; none leads. A failed poll is logged and tried again after a second.
func (r *Rings) Run(ctx context.Context) {
	timer := time.NewTimer(r.cfg.Poll)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(r.poll(ctx))
		}
	}
}

// poll returns when to poll next.
func (r *Rings) poll(ctx context.Context) time.Duration {
	err := errors.Join(r.wipe(ctx), r.refresh(ctx))
	if err == nil || ctx.Err() != nil {
		return r.cfg.Poll
	}
	age := r.snapshot.Load().age(r.cfg.Now())
	r.cfg.Logger.WarnContext(ctx, "signing keys could not be read", "snapshot_age", age, "err", err)
	return min(r.cfg.Poll, retryInterval)
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

// refresh replaces the snapshot by what the database says now.
func (r *Rings) refresh(ctx context.Context) error {
	if err := r.lockReading(ctx); err != nil {
		return err
	}
	defer r.unlockReading()
	return r.read(ctx)
}

// read needs the reading lock. Keys that have not changed are taken over as they are:
// parsed once, and complained about once.
func (r *Rings) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	readAt := r.cfg.Now() // before the answer, so that the age is never understated
	rows, err := r.cfg.DB.LiveKeys(ctx)
	if err != nil {
		return err
	}
	s, err := newSnapshot(readAt, rows, r.load(ctx))
	if err != nil {
		return err
	}
	r.logRotations(ctx, r.snapshot.Swap(s), s)
	return nil
}

// logRotations tells the log of each replica, whoever rotated.
func (r *Rings) logRotations(ctx context.Context, before, now *snapshot) {
	for _, name := range allRings {
		if before == nil || before.rings[name] == nil || now.rings[name] == nil {
			continue
		}
		was, is := before.rotation(name), now.rotation(name)
		if was.Signing != is.Signing {
			r.cfg.Logger.InfoContext(ctx, "another key signs", "ring", name, "previous", was.Signing, "signing", is.Signing)
		}
	}
}

// load returns how a row becomes a key: the one of the current snapshot if nothing of it
// has changed, else a new one.
func (r *Rings) load(ctx context.Context) func(db.SealedKey) *key {
	old := r.snapshot.Load()
	return func(row db.SealedKey) *key {
		k := newKey(row, old.find(row.Ring, row.KID), r.cfg.KEKs)
		if k.fault != nil && !k.inherited {
			r.cfg.Logger.ErrorContext(ctx, "signing key quarantined", "ring", row.Ring, "kid", row.KID, "err", k.fault)
		}
		return k
	}
}

func (r *Rings) lockReading(ctx context.Context) error {
	select {
	case r.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the signing keys: %w: %w", db.ErrUnavailable, ctx.Err())
	}
}

func (r *Rings) unlockReading() { <-r.reading }

// List returns the keys of both rings that ever were, oldest first. It needs no
// key-encryption key.
func List(ctx context.Context, d *db.DB) ([]oauth.Key, error) { return d.Keys(ctx) }
