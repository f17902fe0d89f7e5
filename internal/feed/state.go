package feed

import (
	"slices"
	"time"

	"github.com/go-authd/authd/internal/db"
)

// state is what one reading knew. It never changes.
type state struct {
	origin   string
	snapshot snapshot
	entries  []db.FeedEntry // all that may matter to somebody
	readAt   time.Time      // by Config.Now
	offset   time.Duration  // what is added to Config.Now for the database's clock
	fresh    []db.FeedEntry // what this reading added
	link     *link          // to the next one that has something fresh
}

// link is shared by the states of readings that found nothing, so that those who wait are
// not woken for nothing.
type link struct {
	made chan struct{} // closed once next is set
	next *state
}

// newState adds a page to what was known before; nil for nothing. Entries whose tokens are
// over are left out on the way.
func newState(before *state, page db.FeedPage, now time.Time) (*state, error) {
	snap, err := parseSnapshot(page.Snapshot)
	if err != nil {
		return nil, err
	}
	s := &state{
		origin: page.Origin, snapshot: snap, readAt: now, offset: page.Now.Sub(now),
		fresh: page.Entries, link: &link{made: make(chan struct{})},
	}
	if before != nil {
		s.entries = before.entries
		if len(page.Entries) == 0 {
			s.link = before.link
		}
	}
	if len(page.Entries) == 0 && !s.hasDead(page.Now) {
		return s, nil
	}
	all := make([]db.FeedEntry, 0, len(s.entries)+len(page.Entries))
	for _, list := range [][]db.FeedEntry{s.entries, page.Entries} {
		for _, e := range list {
			if e.Exp.After(page.Now) {
				all = append(all, e)
			}
		}
	}
	s.entries = all
	return s, nil
}

// hasDead reports whether cleaning up is worth a copy: the oldest entry is over.
func (s *state) hasDead(now time.Time) bool {
	return len(s.entries) > 0 && !s.entries[0].Exp.After(now)
}

// reader is one question.
type reader struct {
	cursor    string
	audiences []string
	origin    string // of the cursor; "" where it is none
	seen      snapshot
}

func newReader(cursor string, audiences []string) *reader {
	r := &reader{cursor: cursor, audiences: audiences}
	if origin, seen, err := decodeCursor(cursor); err == nil {
		r.origin, r.seen = origin, seen
	}
	return r
}

// since is the page of all that the reader has not seen; of what this reading added, with
// fresh, for one who has heard of the rest.
func (s *state) since(r *reader, fresh bool, now time.Time) Page {
	page := Page{Next: encodeCursor(s.origin, s.snapshot.text)}
	known := r.origin == s.origin
	page.Reset = r.cursor != "" && !known
	from := s.entries
	if fresh && known {
		from = s.fresh
	}
	now = now.Add(s.offset)
	for i := range from {
		e := &from[i]
		if e.Exp.After(now) && r.concerns(e) && !(known && r.seen.sees(e.XID)) {
			page.Entries = append(page.Entries, *e)
		}
	}
	return page
}

// concerns reports whether a reader with these audiences hears of e.
func (r *reader) concerns(e *db.FeedEntry) bool {
	return e.Audiences == nil || slices.ContainsFunc(e.Audiences, func(a string) bool { return slices.Contains(r.audiences, a) })
}
