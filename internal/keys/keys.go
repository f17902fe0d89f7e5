// Package keys holds the two rings of signing keys: their schedule and rotation, the
// private halves sealed at rest, signing, verifying, and the JWKS document.
//
// A [Rings] works on an immutable snapshot of the database that it renews by polling.
// Signing, verifying and the document take no lock and no query; only a kid that the
// snapshot does not know, or a snapshot that is too old to sign with, causes one, at most
// once a second.
package keys

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/openssl"
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
	// rereadInterval is the least time between two readings that requests cause.
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

	// Signatures that a KMS or HSM makes; remoteGate bounds signing.
	remoteGate *gate
	signing    *hooks
	// unusable is when the Signer last made a key with which it then did not sign.
	unusable atomic.Pointer[time.Time]

	// reading is held while the database is read, so that no older snapshot replaces a
	// newer one. It guards the two fields below.
	reading   chan struct{}
	rereadAt  time.Time // when a request last caused a reading
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
	r := newRings(cfg)
	for _, step := range []func(context.Context) error{r.checkKEKs, r.makeRings, r.raiseSafeLead, r.refresh} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if openssl.Enabled {
		cfg.Logger.InfoContext(ctx, "libcrypto signs", "version", openssl.Version())
	}
	return r, nil
}

func newRings(cfg Config) *Rings {
	return &Rings{
		cfg: cfg, gate: newGate(runtime.GOMAXPROCS(0)), reading: make(chan struct{}, 1),
		remoteGate: newGate(maxRemote), signing: &hooks{limit: cfg.WithTimeout},
	}
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
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	readAt := r.cfg.Now() // before the answer, so that the age is never understated
	rows, err := r.cfg.DB.LiveKeys(reading)
	if err != nil {
		return err
	}
	answeredAt := r.cfg.Now()
	opening, cancel := r.cfg.WithTimeout(ctx, min(hookTimeout, r.cfg.SnapshotCap/4))
	defer cancel()
	s, err := newSnapshot(readAt, answeredAt, rows, r.load(opening))
	if err != nil {
		return err
	}
	r.tellChanges(ctx, r.snapshot.Swap(s), s)
	return nil
}

// load returns how a row becomes a key: the one of the current snapshot if nothing of it
// has changed, else a new one.
func (r *Rings) load(ctx context.Context) func(db.SealedKey) *key {
	old := r.snapshot.Load()
	return func(row db.SealedKey) *key {
		before := old.find(row.Ring, row.KID)
		k := r.newKey(ctx, row, before)
		if k.fault != nil && !k.inherited && !before.hasFault(k.fault) {
			r.cfg.Logger.ErrorContext(ctx, "signing key quarantined", "ring", row.Ring, "kid", row.KID, "err", k.fault)
		}
		return k
	}
}

// localSigner is libcrypto's in a build that has it, as long as it signs as crypto/rsa does.
func (r *Rings) localSigner(ctx context.Context, key *rsa.PrivateKey) crypto.Signer {
	if !openssl.Enabled {
		return key
	}
	s, err := openssl.NewSigner(key)
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "libcrypto signer is not used", "err", err)
		return key
	}
	return s
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
