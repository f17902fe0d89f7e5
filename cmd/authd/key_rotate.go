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
	rotation, errs := srv.RotateKeys(a.ctx, c.Force, rings...)
	tooYoung, failed := sortErrors(errs)
	for _, ring := range rings {
		r, err := outcomeOf(a, srv, ring, rotation, tooYoung[ring])
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
		case r.Outcome != "":
			done = append(done, r)
		}
	}
	var young error
	for _, ring := range rings {
		if e := tooYoung[ring]; e != nil {
			young = errors.Join(young, e)
		}
	}
	if failed != nil {
		return done, inOneLine(errors.Join(failed, young))
	}
	return done, notRotated(done, young)
}

// sortErrors takes what authd joined apart: which rings were too young, and what failed.
func sortErrors(err error) (tooYoung map[string]*authd.KeyTooYoungError, failed error) {
	tooYoung = make(map[string]*authd.KeyTooYoungError)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return tooYoung, err
	}
	for _, e := range joined.Unwrap() {
		if young, ok := errors.AsType[*authd.KeyTooYoungError](e); ok {
			tooYoung[young.Ring] = young
			continue
		}
		failed = errors.Join(failed, e)
	}
	return tooYoung, failed
}

// outcomeOf is empty for a ring that failed.
func outcomeOf(a *app, srv *authd.Server, ring string, all authd.Rotation, young *authd.KeyTooYoungError) (ringOutcome, error) {
	r := all.Access
	if ring == authd.RefreshRing {
		r = all.Refresh
	}
	switch {
	case young != nil:
		return refusedRing(a, srv, young)
	case r.Signing == "":
		return ringOutcome{}, nil
	case !r.SafeAt.IsZero():
		return forcedRing(a, srv, ring, r)
	}
	return ringOutcome{Ring: ring, Outcome: ringRotated, Previous: r.Previous, Signing: r.Signing, Announced: r.Announced}, nil
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
func forcedRing(a *app, srv *authd.Server, ring string, r authd.RingRotation) (ringOutcome, error) {
	safe := whole(r.SafeAt)
	out := ringOutcome{
		Ring: ring, Outcome: ringForced, Previous: r.Previous, Signing: r.Signing, Announced: r.Announced,
		SafeAt: &safe, Warning: unpublishedRing,
	}
	keys, err := srv.Keys(a.ctx)
	if k, ok := findKey(keys, r.Signing); ok {
		out.AnnouncedAt = utc(&k.AnnouncedAt)
		if ring == authd.AccessRing {
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
