package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-authd/authd"
)

type keysRotateCmd struct {
	Ring  string `name:"ring" enum:"access,refresh," default:"" placeholder:"RING" help:"Rotate this ring only: access or refresh."`
	Force bool   `name:"force" help:"Rotate although verifiers may not have seen the announced key yet: those that cached the JWKS refuse new tokens until they fetch it again."`
	keyFlags
}

// Help teaches.
func (keysRotateCmd) Help() string {
	return `Servers rotate by themselves when --key-period is over; this is for before. Tokens that are out stay valid, and their keys stay published as long as they live. A running server signs with the new key within --key-poll. Give the command the settings of the servers.

The announced key must have been published for 2 × --jwks-max-age + --key-snapshot-cap + --clock-skew, else the exit status is 3 and the error says from when on it is safe. Of two rings one may be rotated and the other not. With --force both are, and the output says what breaks, and until when.

    authd keys rotate
    authd keys rotate --ring access --force`
}

// What became of a ring.
const (
	ringRotated  = "rotated"
	ringForced   = "forced"    // although the announced key was too young
	ringTooYoung = "too_young" // nothing was done
)

// ringOutcome is a ring after its turn.
type ringOutcome struct {
	Ring      string `json:"-"`
	Outcome   string `json:"outcome"`
	Previous  string `json:"previous"`
	Signing   string `json:"signing"`
	Announced string `json:"announced"`
	// When the key was announced that was too young, and from when on it is not.
	AnnouncedAt *time.Time `json:"announced_at"`
	SafeAt      *time.Time `json:"safe_at"`
	Warning     string     `json:"warning"`
}

// Run rotates.
func (c *keysRotateCmd) Run(a *app) error {
	return c.change(a, func(srv *authd.Server, _ authd.Config) error {
		done, err := c.rotate(a, srv)
		if anyRotated(done) {
			byRing := make(map[string]ringOutcome)
			for _, r := range done {
				byRing[r.Ring] = r
			}
			err = errors.Join(a.show(byRing, func(w io.Writer) { c.print(w, done) }), err)
		}
		return err
	})
}

// rotate returns a problem for rings that it could not rotate: the worst, in words of all.
func (c *keysRotateCmd) rotate(a *app, srv *authd.Server) (done []ringOutcome, err error) {
	rings := []string{authd.AccessRing, authd.RefreshRing}
	if c.Ring != "" {
		rings = []string{c.Ring}
	}
	var tooYoung, failed error
	for _, ring := range rings {
		r, err := c.rotateRing(a, srv, ring)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		done = append(done, r)
		if r.Outcome == ringTooYoung {
			tooYoung = errors.Join(tooYoung, &authd.KeyTooYoungError{Ring: ring, SafeAt: *r.SafeAt})
		}
	}
	if failed != nil {
		return done, inOneLine(errors.Join(failed, tooYoung))
	}
	return done, notRotated(done, tooYoung)
}

// rotateRing tries without force first: where that is enough, nothing breaks.
func (c *keysRotateCmd) rotateRing(a *app, srv *authd.Server, ring string) (ringOutcome, error) {
	r, err := srv.RotateRing(a.ctx, ring, false)
	young, ok := errors.AsType[*authd.KeyTooYoungError](err)
	if !ok {
		return ringOutcome{Ring: ring, Outcome: ringRotated, Previous: r.Previous, Signing: r.Signing, Announced: r.Announced}, err
	}
	if !c.Force {
		return refusedRing(a, srv, young)
	}
	if r, err = srv.RotateRing(a.ctx, ring, true); err != nil {
		return ringOutcome{}, err
	}
	return forcedRing(a, srv, young, r)
}

// refusedRing is a ring as it stays.
func refusedRing(a *app, srv *authd.Server, young *authd.KeyTooYoungError) (ringOutcome, error) {
	keys, err := srv.Keys(a.ctx)
	if err != nil {
		return ringOutcome{}, err
	}
	signing, _ := inState(ringOf(keys, young.Ring), "signing")
	announced, _ := inState(ringOf(keys, young.Ring), "announced")
	safe := whole(young.SafeAt)
	return ringOutcome{
		Ring: young.Ring, Outcome: ringTooYoung, Signing: signing.ID, Announced: announced.ID,
		AnnouncedAt: utc(&announced.AnnouncedAt), SafeAt: &safe,
	}, nil
}

// forcedRing says what breaks. Verifiers know nothing of the refresh ring.
func forcedRing(a *app, srv *authd.Server, young *authd.KeyTooYoungError, r authd.RingRotation) (ringOutcome, error) {
	safe := whole(young.SafeAt)
	out := ringOutcome{
		Ring: young.Ring, Outcome: ringForced, Previous: r.Previous, Signing: r.Signing, Announced: r.Announced,
		SafeAt: &safe, Warning: unpublishedRing,
	}
	keys, err := srv.Keys(a.ctx)
	if k, ok := findKey(keys, r.Signing); ok {
		out.AnnouncedAt = utc(&k.AnnouncedAt)
		if young.Ring == authd.AccessRing {
			out.Warning = youngKey(k.AnnouncedAt, safe)
		}
	}
	return out, err
}

const unpublishedRing = "nothing breaks: the ring is not published, and only servers of this database verify with it"

// youngKey says what breaks while a key signs that was announced a short time ago.
func youngKey(announced, safe time.Time) string {
	return fmt.Sprintf("verifiers whose copy of the JWKS lacks the key that signs now, which was announced at %s, refuse its tokens until they fetch it again: "+
		"those that look an unknown kid up do so at once, the others by %s if they honour the cache header", at(announced), at(safe))
}

func anyRotated(done []ringOutcome) bool {
	for _, r := range done {
		if r.Outcome != ringTooYoung {
			return true
		}
	}
	return false
}

// notRotated makes one problem of the rings that are too young. It is safe to try again
// when the last of them is not any more.
func notRotated(done []ringOutcome, tooYoung error) error {
	if tooYoung == nil {
		return nil
	}
	p := inOneLine(tooYoung)
	for _, r := range done {
		switch {
		case r.Outcome == ringTooYoung:
			p.safeAt = later(p.safeAt, *r.SafeAt)
		default:
			p.err = fmt.Errorf("%w; ring %s is rotated", p.err, r.Ring)
		}
	}
	return p
}

func (c *keysRotateCmd) print(w io.Writer, done []ringOutcome) {
	for _, r := range done {
		fmt.Fprintf(w, "ring %s: %s\n", r.Ring, r.sentence())
		facts(w, "  previous", r.Previous, "  signing", r.Signing, "  announced", r.Announced)
	}
	fmt.Fprintf(w, "\nRunning servers sign with the new key within %s (--key-poll).\n", c.KeyPoll)
	for _, r := range done {
		if r.Warning != "" {
			fmt.Fprintf(w, "Forced, ring %s: %s.\n", r.Ring, r.Warning)
		}
	}
}

func (r *ringOutcome) sentence() string {
	switch r.Outcome {
	case ringForced:
		return fmt.Sprintf("rotated by force, its announced key was too young until %s", at(*r.SafeAt))
	case ringTooYoung:
		return fmt.Sprintf("not rotated, its announced key is too young until %s", at(*r.SafeAt))
	}
	return "rotated"
}
