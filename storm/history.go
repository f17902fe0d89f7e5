package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// outcome of a call, as the caller sees it.
type outcome string

const (
	ok          outcome = "OK"
	invalid     outcome = "INVALID"     // the grant is dead
	refused     outcome = "REFUSED"     // the client is
	foreign     outcome = "FOREIGN"     // refused as another client's, as it was
	busy        outcome = "BUSY"        // nothing was done
	unavailable outcome = "UNAVAILABLE" // nothing is known
	missing     outcome = "MISSING"     // the operator hears that it does not exist
	odd         outcome = "ODD"         // no answer that there should be
)

// deed is what a call is for.
type deed string

const (
	signIn         deed = "sign in"
	refresh        deed = "refresh"
	introspect     deed = "introspect"
	endFamily      deed = "end family" // by token, logout or operator
	endSubject     deed = "end subject"
	disableSubject deed = "disable subject"
	enableSubject  deed = "enable subject"
	setPassword    deed = "set password"
	endClient      deed = "end client"
	disableClient  deed = "disable client"
	enableClient   deed = "enable client"
	endAccess      deed = "end access token"
)

// endsSubject: all grants of the subject are ended with it.
func (d deed) endsSubject() bool { return d == endSubject || d == disableSubject || d == setPassword }
func (d deed) endsClient() bool  { return d == endClient || d == disableClient }

// call is one line of the history. Times are since its beginning.
type call struct {
	actor      string
	deed       deed
	how        string // which of several ways
	thief      bool
	family     string
	subject    string
	client     string
	gen        int64  // of the token presented
	jti        string // of it, or of the access token
	start, end time.Duration
	outcome    outcome
	active     bool  // what introspection said
	newGen     int64 // of the answer
	newJTI     string
	status     int
	retried    bool // a server that was killed may have acted on it, before another answered
	detail     string
}

// history is what all actors saw.
type history struct {
	began time.Time
	mu    sync.Mutex
	calls []*call
}

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() time.Duration { return time.Since(h.began) }

func (h *history) add(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

// hasSince reports whether a call for d that began later succeeded.
func (h *history) hasSince(began time.Duration, d deed) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.calls, func(c *call) bool { return c.start > began && c.deed == d && c.outcome == ok })
}

// snapshot is in the order in which calls began.
func (h *history) snapshot() []*call {
	h.mu.Lock()
	all := slices.Clone(h.calls)
	h.mu.Unlock()
	slices.SortStableFunc(all, func(a, b *call) int { return int(a.start - b.start) })
	return all
}

// concerns reports whether the call may say or change something of the family.
func (c *call) concerns(f *family) bool {
	switch {
	case c.family != "":
		return c.family == f.id
	case c.end < f.born.start:
		return false
	case c.deed.endsSubject():
		return c.subject == f.born.subject
	case c.deed.endsClient():
		return c.client == f.born.client
	}
	return false
}

// ends reports whether the call is there to end f.
func (c *call) ends(f *family) bool {
	return c.deed == endFamily && c.family == f.id && c.outcome != foreign || c.concerns(f) && (c.deed.endsSubject() || c.deed.endsClient())
}

func (c *call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%8.3f–%-8.3f %-12s %-16s", c.start.Seconds(), c.end.Seconds(), c.actor, strings.TrimSpace(string(c.deed)+" "+c.how))
	if c.deed == refresh {
		fmt.Fprintf(&b, " gen %d (%.6s)", c.gen, c.jti)
	}
	fmt.Fprintf(&b, " %s", c.outcome)
	switch {
	case c.outcome == ok && (c.deed == refresh || c.deed == signIn):
		fmt.Fprintf(&b, " → gen %d (%.6s)", c.newGen, c.newJTI)
	case c.outcome == ok && c.deed == introspect:
		fmt.Fprintf(&b, " active:%v", c.active)
	}
	if c.retried {
		b.WriteString(" [second try]")
	}
	if c.thief {
		b.WriteString(" [thief]")
	}
	if c.detail != "" {
		fmt.Fprintf(&b, " %s", c.detail)
	}
	return b.String()
}
