package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// counts is what a storm counts as it goes, and what it finds beside the history.
type counts struct {
	mu     sync.Mutex
	n      map[string]int
	faults []string
}

func newCounts() *counts { return &counts{n: make(map[string]int)} }

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c *counts) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// report is what a part found.
type report struct {
	part       part
	ledger     *ledger
	counts     *counts
	violations []violation
	judged     time.Duration
}

func newReport(p part, s *storm, l *ledger, c *counts) *report {
	r := &report{part: p, ledger: l, counts: c}
	began := time.Now()
	r.violations = judge(l)
	r.judged = time.Since(began)
	b, x := s.cluster.balancer, s.cluster.proxy
	for what, n := range map[string]int64{
		"answers lost": b.lost.Load(), "tries at no server": b.absent.Load(), "tries without an answer": b.broken.Load(),
		"commits cut before": x.before.Load(), "commits cut after": x.after.Load(), "connections to the database": x.opened.Load(),
	} {
		c.add(what, int(n))
	}
	c.add("servers started again", s.cluster.restarts)
	r.count()
	return r
}

// count counts what the history says.
func (r *report) count() {
	l, c := r.ledger, r.counts
	c.add("calls", len(l.calls))
	c.add("families", len(l.families))
	c.add("families that porcupine gave up", l.unjudged)
	for _, one := range l.calls {
		if one.outcome == unavailable {
			c.add("unknown outcomes", 1)
		}
		if one.outcome == busy {
			c.add("turned away (429)", 1)
		}
		if one.deed == refresh && one.outcome == ok {
			c.add("refreshes", 1)
		}
		if (one.deed.endsSubject() || one.deed.endsClient()) && one.outcome == ok {
			c.add("ends of subjects and clients", 1)
		}
		if one.deed == endFamily && one.outcome == ok {
			c.add("ends of families", 1)
		}
	}
	for _, f := range l.families {
		r.countFamily(f)
	}
}

func (r *report) countFamily(f *record) {
	c := r.counts
	first := make(map[int64]bool)
	for _, one := range f.calls {
		if one.deed != refresh {
			continue
		}
		if one.outcome == ok {
			if first[one.gen] {
				c.add("answers with the same successor", 1)
			}
			first[one.gen] = true
		}
		if one.thief && one.outcome == invalid && f.outside(one, r.ledger.grace) {
			c.add("thefts that ended a family", 1)
		}
		if one.thief && one.outcome == ok {
			c.add("thefts within grace", 1)
		}
	}
	if f.hasRow && f.row.Reason == rollbackSuspected {
		c.add("families ended as "+rollbackSuspected, 1)
	}
	if f.hasRow && f.row.dead() && !f.row.Revoked {
		c.add("families ended without a write of theirs", 1)
	}
	if f.excused && !f.lethal {
		c.add("families with a retry later than grace (F-50)", 1)
	}
}

// print returns the number of faults, each of which has its line.
func (r *report) print(out io.Writer) int {
	fmt.Fprintf(out, "\n== %s: %s (%s, grace %s)\n", r.part.name, r.part.about, r.part.length, r.part.grace)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, what := range slices.Sorted(maps.Keys(r.counts.n)) {
		if n := r.counts.n[what]; n > 0 {
			fmt.Fprintf(w, "%s\t%d\n", what, n)
		}
	}
	for i, rule := range rules {
		broken := 0
		for _, v := range r.violations {
			if v.rule == i {
				broken++
			}
		}
		fmt.Fprintf(w, "rule %d, %s:\t%s\n", i, rule, verdict(broken))
	}
	_ = w.Flush() // an error of stdout: nothing reads it any more
	faults := r.faults()
	for _, f := range faults {
		fmt.Fprintln(out, "fault:", f)
	}
	if len(faults) > 0 {
		r.printStories(out)
	}
	return len(faults)
}

func verdict(broken int) string {
	if broken == 0 {
		return "kept"
	}
	return fmt.Sprintf("BROKEN %d times", broken)
}

const (
	shownViolations = 10
	shownStories    = 2
)

// faults are broken promises, and what the part has not shown.
func (r *report) faults() (all []string) {
	if r.part.standby == asynchronous {
		return r.losses()
	}
	for i, v := range r.violations {
		if i == shownViolations {
			all = append(all, fmt.Sprintf("%d more", len(r.violations)-i))
			break
		}
		all = append(all, v.String())
	}
	all = append(all, r.counts.faults...)
	if r.part.quiet {
		all = append(all, r.noticed()...)
	}
	for what, n := range r.part.least {
		if have := r.counts.n[what]; have < n {
			all = append(all, fmt.Sprintf("%s: %d, want at least %d: the part has shown too little", what, have, n))
		}
	}
	return all
}

func (r *report) printStories(out io.Writer) {
	shown := make(map[*record]bool)
	for _, v := range r.violations {
		if v.family == nil || shown[v.family] || len(shown) == shownStories {
			continue
		}
		shown[v.family] = true
		fmt.Fprintln(out, strings.TrimRight(v.family.story(), "\n"))
	}
}

// noticed are calls of actors that should have noticed nothing. A sign-in may be turned away by
// the queue of those whose passwords are being hashed.
func (r *report) noticed() (all []string) {
	for _, c := range r.ledger.calls {
		if c.actor != "crowd" && c.deed != signIn && (c.outcome == unavailable || c.outcome == busy) {
			all = append(all, fmt.Sprintf("a call that had nothing to do with the fault: %v, status %d", c, c.status))
		}
	}
	if n := r.counts.n["tries without an answer"]; n > 0 {
		all = append(all, fmt.Sprintf("%d requests under way were ended without an answer", n))
	}
	return all
}

// rollbackSuspected is the reason of the families that know more than the database.
const rollbackSuspected = "db_rollback_suspected"

// losses: without a synchronous standby acknowledged writes are lost. The checker has to see
// it, and so have the servers.
func (r *report) losses() (all []string) {
	lost := slices.ContainsFunc(r.violations, func(v violation) bool { return v.rule == 4 })
	if !lost {
		all = append(all, "the fail-over to a standby that was behind lost nothing, or the checker did not see it")
	}
	if r.counts.n["families ended as "+rollbackSuspected] == 0 {
		all = append(all, "no family that knew more than the database was ended as "+rollbackSuspected)
	}
	for _, v := range r.violations {
		if v.rule == 0 {
			all = append(all, v.String())
		}
	}
	return all
}
