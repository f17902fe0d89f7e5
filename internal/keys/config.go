package keys

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/db"
)

// lag is the most that any configuration lets a snapshot be old, and so how long a replica
// may sign with a key after the database has closed it.
const lag = 60 * time.Second

// NoSkew is the value of [Config.Skew] for clocks that are one: the zero value is the
// default.
const NoSkew = -1

// Config configures [New]. DB and KEKs or Signer are required; the zero value of every other field
// is its default.
type Config struct {
	DB *db.DB
	// KEKs seal private halves at rest: the first seals, all open. They may be none where
	// Signer keeps all keys.
	KEKs []KEK
	// Signer, if set, makes and keeps the private halves of new keys.
	Signer Signer
	// SealNew makes new keys here, and leaves Signer those it has.
	SealNew bool

	// Bits is the length of new keys: 2048 (default), 3072 or 4096.
	Bits int
	// Period is how long a key signs, 30 days by default, and Lead how long it is published
	// before, 24 hours by default. Period ≥ Lead ≥ 2 × MaxAge + SnapshotCap + Skew.
	Period, Lead time.Duration
	// MaxAge is how long a verifier may keep the JWKS. Default 5 minutes; whole seconds.
	MaxAge time.Duration
	// Poll is how often the database is read. Default 15 s, at most half of SnapshotCap.
	Poll time.Duration
	// Skew is how far the clocks of verifiers may be off. Default 60 s, or [NoSkew].
	Skew time.Duration
	// SnapshotCap is the age at which a snapshot is too old to sign with. Default and
	// most: 60 s.
	SnapshotCap time.Duration

	// AccessMax, FamilyMax and GraceMax are the largest lifetime of an access token, of a
	// family and of a grace window that any configuration allows, not the one in force:
	// what is written on a row by them outlives the configuration. Defaults 1 hour,
	// 90 days and 2 minutes.
	AccessMax, FamilyMax, GraceMax time.Duration

	// Now is read for the age of the snapshot, by its monotonic part. Default [time.Now].
	Now    func() time.Time
	Logger *slog.Logger // default [slog.Default]
	// OnEvent, if set, is told of each [Event].
	OnEvent func(context.Context, Event)

	// WithTimeout limits each call to a KMS or HSM. Default [context.WithTimeout]; tests let
	// the time be over when they say so.
	WithTimeout func(context.Context, time.Duration) (context.Context, context.CancelFunc)

	hooks    *hooks
	generate func(bits int) (*rsa.PrivateKey, error) // tests reuse keys
}

func (c Config) withDefaults() Config {
	setDefault(&c.Bits, 2048)
	setDefault(&c.Period, 30*24*time.Hour)
	setDefault(&c.Lead, 24*time.Hour)
	setDefault(&c.MaxAge, 5*time.Minute)
	setDefault(&c.Poll, 15*time.Second)
	setDefault(&c.Skew, 60*time.Second)
	if c.Skew == NoSkew {
		c.Skew = 0
	}
	setDefault(&c.SnapshotCap, lag)
	setDefault(&c.AccessMax, time.Hour)
	setDefault(&c.FamilyMax, 90*24*time.Hour)
	setDefault(&c.GraceMax, 2*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.generate == nil {
		c.generate = generate
	}
	if c.WithTimeout == nil {
		c.WithTimeout = context.WithTimeout
	}
	c.hooks = newHooks(&c)
	c.KEKs = slices.Clone(c.KEKs)
	for i, k := range c.KEKs {
		c.KEKs[i] = k.with(c.hooks)
	}
	return c
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// validate checks the settings together; each error names the numbers that do not fit.
func (c *Config) validate() error {
	for _, check := range []func() error{c.validateKeys, c.validateDurations, c.validateSchedule} {
		if err := check(); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	return nil
}

func (c *Config) validateKeys() error {
	if c.DB == nil {
		return errors.New("no database")
	}
	if len(c.KEKs) == 0 && (c.Signer == nil || c.SealNew) {
		return errors.New("no key-encryption key")
	}
	seen := make(map[string]bool)
	for _, k := range c.KEKs {
		if k.secret == nil && k.remote == nil {
			return errors.New("a key-encryption key is empty")
		}
		if k.ID() == "" {
			return errors.New("a key-encryption key has no id")
		}
		if seen[k.ID()] {
			return fmt.Errorf("key-encryption key %s is given twice", k.ID())
		}
		seen[k.ID()] = true
	}
	if c.Bits != 2048 && c.Bits != 3072 && c.Bits != 4096 {
		return fmt.Errorf("key length is %d bits, must be 2048, 3072 or 4096", c.Bits)
	}
	return nil
}

func (c *Config) validateDurations() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"period", c.Period},
		{"lead", c.Lead},
		{"JWKS max-age", c.MaxAge},
		{"poll", c.Poll},
		{"clock skew", c.Skew},
		{"snapshot cap", c.SnapshotCap},
		{"largest access token lifetime", c.AccessMax},
		{"largest family lifetime", c.FamilyMax},
		{"largest grace", c.GraceMax},
	} {
		if d.value < 0 {
			return fmt.Errorf("%s is %s, must be positive", d.name, d.value)
		}
	}
	if c.MaxAge%time.Second != 0 {
		return fmt.Errorf("JWKS max-age is %s, must be whole seconds (RFC 9111 §5.2.2.1)", c.MaxAge)
	}
	return nil
}

func (c *Config) validateSchedule() error {
	if c.SnapshotCap > lag {
		return fmt.Errorf("snapshot cap is %s, must be at most %s", c.SnapshotCap, lag)
	}
	if 2*c.Poll > c.SnapshotCap {
		return fmt.Errorf("poll is %s, must be at most half of the snapshot cap of %s", c.Poll, c.SnapshotCap)
	}
	if safe := c.safeLead(); c.Lead < safe {
		return fmt.Errorf("lead is %s, must be at least %s (2 × JWKS max-age of %s + snapshot cap of %s + clock skew of %s)",
			c.Lead, safe, c.MaxAge, c.SnapshotCap, c.Skew)
	}
	if c.Period < c.Lead {
		return fmt.Errorf("period is %s, must be at least the lead of %s", c.Period, c.Lead)
	}
	return nil
}
