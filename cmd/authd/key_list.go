package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-authd/authd"
)

type keysListCmd struct{ databaseFlags }

// Help teaches.
func (keysListCmd) Help() string {
	return `All keys that ever were, with what is written on their rows; below, a picture of each ring and when it rotates next. Servers rotate by themselves at ROTATE-AFTER; this command changes nothing.

    authd keys list
    authd keys list --json`
}

type keyJSON struct {
	KID            string     `json:"kid"`
	Ring           string     `json:"ring"`
	Seq            int64      `json:"seq"`
	Alg            string     `json:"alg"`
	State          string     `json:"state"`
	AnnouncedAt    time.Time  `json:"announced_at"`
	RotateAfter    time.Time  `json:"rotate_after"`
	SignsFrom      *time.Time `json:"signs_from"`
	SignsUntil     *time.Time `json:"signs_until"`
	PublishedUntil *time.Time `json:"published_until"`
	RevokedAt      *time.Time `json:"revoked_at"`
}

func toKeyJSON(k authd.Key) keyJSON {
	return keyJSON{
		k.ID, k.Ring, k.Seq, k.Alg, k.State, k.AnnouncedAt.UTC(), k.RotateAfter.UTC(),
		utc(k.SignsFrom), utc(k.SignsUntil), utc(k.PublishedUntil), utc(k.RevokedAt),
	}
}

// Run lists.
func (c *keysListCmd) Run(a *app) error {
	return c.admin(a.ctx, func(admin *authd.Admin) error {
		keys, err := admin.Keys(a.ctx)
		if err != nil {
			return err
		}
		return a.show(convert(keys, toKeyJSON), func(w io.Writer) { printSchedule(w, keys, time.Now()) })
	})
}

// printSchedule is what people see: the rows, and then a picture of each ring.
func printSchedule(w io.Writer, keys []authd.Key, now time.Time) {
	table(w, "RING SEQ KID STATE ANNOUNCED SIGNS-FROM SIGNS-UNTIL PUBLISHED-UNTIL ROTATE-AFTER REVOKED", convert(keys, keyRow))
	if len(keys) == 0 {
		fmt.Fprintln(w, "\nno keys yet: the first start of a server makes them")
		return
	}
	for _, name := range []string{authd.AccessRing, authd.RefreshRing} {
		ring := ringOf(keys, name)
		fmt.Fprintf(w, "\n%s: %s\n\n", name, nextRotation(ring, now))
		newTimeline(ring, now).print(w)
	}
	fmt.Fprintf(w, "\n%s\n", timelineLegend)
}

func keyRow(k authd.Key) []string {
	return []string{
		k.Ring, strconv.FormatInt(k.Seq, 10), k.ID, k.State, at(k.AnnouncedAt),
		maybe(k.SignsFrom), maybe(k.SignsUntil), maybe(k.PublishedUntil), at(k.RotateAfter), maybe(k.RevokedAt),
	}
}

func ringOf(keys []authd.Key, name string) (ring []authd.Key) {
	for _, k := range keys {
		if k.Ring == name {
			ring = append(ring, k)
		}
	}
	return ring
}

func inState(ring []authd.Key, state string) (authd.Key, bool) {
	for _, k := range ring {
		if k.State == state {
			return k, true
		}
	}
	return authd.Key{}, false
}

// lateAfter is when a plan that was not kept is worth a word: servers look every --key-poll,
// which is half a minute at most.
const lateAfter = time.Minute

// nextRotation is the sentence that most people want.
func nextRotation(ring []authd.Key, now time.Time) string {
	k, ok := inState(ring, "signing")
	switch left := k.RotateAfter.Sub(now); {
	case !ok:
		return "no key signs"
	case left < -lateAfter:
		return fmt.Sprintf("late since %s: is a server running? It rotates by itself", at(k.RotateAfter))
	case left <= 0:
		return "next rotation is due, by itself"
	default:
		return fmt.Sprintf("next rotation in %s, by itself", span(left))
	}
}
