package keys

import (
	"context"

	"github.com/go-authd/authd/internal/oauth"
)

// Event is one of [Announced], [Rotated], [Revoked] and [Expired].
type Event interface{ isEvent() }

// Announced: this Rings has published a key that is going to sign.
type Announced struct {
	Ring oauth.Ring
	KID  string
}

// Rotated: this Rings has made a step.
type Rotated struct {
	Ring     oauth.Ring
	Rotation Rotation
}

// Revoked: this Rings has withdrawn a key.
type Revoked struct{ Revocation Revocation }

// Expired: this Rings has taken a key out of its set. Each replica tells it, once.
type Expired struct {
	Ring oauth.Ring
	KID  string
}

func (Announced) isEvent() {}
func (Rotated) isEvent()   {}
func (Revoked) isEvent()   {}
func (Expired) isEvent()   {}

func (r *Rings) emit(ctx context.Context, e Event) {
	if r.cfg.OnEvent != nil {
		r.cfg.OnEvent(ctx, e)
	}
}

// tellChanges tells the log of each replica what others may have changed.
func (r *Rings) tellChanges(ctx context.Context, before, now *snapshot) {
	if before == nil {
		return
	}
	for _, name := range allRings {
		was, is := before.rotation(name), now.rotation(name)
		if was.Signing != is.Signing {
			r.cfg.Logger.InfoContext(ctx, "another key signs", "ring", name, "previous", was.Signing, "signing", is.Signing)
		}
		for _, k := range before.rings[name].byKID {
			if now.find(name, k.KID) == nil {
				r.tellGone(ctx, k, now)
			}
		}
	}
}

func (r *Rings) tellGone(ctx context.Context, k *key, now *snapshot) {
	if k.isPublished(now.dbNow) {
		r.cfg.Logger.WarnContext(ctx, "key was withdrawn", "ring", k.Ring, "kid", k.KID)
		return
	}
	r.emit(ctx, Expired{k.Ring, k.KID})
}
