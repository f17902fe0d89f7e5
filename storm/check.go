package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// violation is a promise that was not kept.
type violation struct {
	rule   int // 1 to 5; 0: what every answer has to be
	what   string
	family *record // nil: none in particular
}

// rules are the promises, by their numbers.
var rules = [...]string{
	"every answer is one that there should be",
	"outside the grace window at most one refresh token of a family is accepted",
	"two parties that hold one token cannot both go on",
	"a retry within grace goes on, with the same successor",
	"no acknowledged revocation is ever undone, and no acknowledged rotation",
	"revoking is one row, whatever was issued",
}

// judge returns all violations of a history.
func judge(l *ledger) (all []violation) {
	add := func(rule int, r *record, format string, args ...any) {
		all = append(all, violation{rule, fmt.Sprintf(format, args...), r})
	}
	l.checkAnswers(add)
	l.checkWrites(add)
	l.checkAlone(add)
	for _, r := range l.families {
		r.checkSuccessors(add)
		r.checkWindow(l.grace, add)
		r.checkEnd(add)
		r.checkHonest(add)
		r.checkKept(add)
		r.checkModel(l, add)
	}
	l.checkJudged(add)
	slices.SortStableFunc(all, func(a, b violation) int { return a.rule - b.rule })
	return all
}

type adder func(rule int, r *record, format string, args ...any)

// checkAnswers: 200, 400 invalid_grant, 401 of a client that is disabled, 429 and 503.
func (l *ledger) checkAnswers(add adder) {
	for _, c := range l.calls {
		switch {
		case c.outcome == odd:
			add(0, l.byID[c.family], "%v: status %d %s", c, c.status, c.detail)
		case c.outcome == missing: // operators name what was acknowledged
			add(4, l.byID[c.family], "I6: %v", c)
		case c.outcome == refused && !l.mayBeDisabled(c):
			add(0, l.byID[c.family], "%v: the client was not disabled", c)
		}
	}
}

func (l *ledger) mayBeDisabled(c *call) bool {
	return slices.ContainsFunc(l.calls, func(d *call) bool {
		return d.deed == disableClient && d.client == c.client && d.start < c.end
	})
}

// checkSuccessors is I1: to each generation there is one next, which has one jti.
func (r *record) checkSuccessors(add adder) {
	leaf := map[int64]string{r.born.newGen: r.born.newJTI}
	for _, c := range r.calls {
		if c.deed != refresh || c.outcome != ok {
			continue
		}
		if c.newGen != c.gen+1 {
			add(3, r, "I1: generation %d was answered with %d", c.gen, c.newGen)
		}
		if known := leaf[c.newGen]; known != "" && known != c.newJTI {
			add(3, r, "I1: generation %d has two tokens, %.6s and %.6s", c.newGen, known, c.newJTI)
		}
		leaf[c.newGen] = c.newJTI
	}
}

// outside reports whether the token that c presents was consumed, and is neither the leaf nor
// its parent within grace, as of answers that came before c began.
func (r *record) outside(c *call, grace time.Duration) bool {
	return slices.ContainsFunc(r.calls, func(d *call) bool {
		return d.deed == refresh && d.outcome == ok &&
			(d.newGen >= c.gen+2 && d.end < c.start || d.newGen == c.gen+1 && d.end+grace < c.start)
	})
}

// checkWindow is the first rule and I5: what is presented outside of the window is refused, and
// ends the family.
func (r *record) checkWindow(grace time.Duration, add adder) {
	for _, c := range r.calls {
		if c.deed != refresh || !r.outside(c, grace) {
			continue
		}
		if c.outcome == ok {
			add(1, r, "a token that was consumed is accepted outside of the window: %v", c)
		}
		if (c.outcome == ok || c.outcome == invalid) && r.hasRow && !r.row.dead() {
			add(2, r, "I5: the family outlives a replay outside of the window: %v", c)
		}
	}
}

// ended is when the end of the family was first acknowledged, and by what.
func (r *record) ended() (time.Duration, *call) {
	first, by := time.Duration(math.MaxInt64), (*call)(nil)
	for _, c := range r.calls {
		isEnd := c.deed == refresh && c.outcome == invalid ||
			c.outcome == ok && c.ends(&r.family) && c.start > r.born.end
		if isEnd && c.end < first {
			first, by = c.end, c
		}
	}
	return first, by
}

// checkEnd is I2: after the end nothing that begins is accepted, at any endpoint.
func (r *record) checkEnd(add adder) {
	at, by := r.ended()
	access := make(map[string]time.Duration) // those ended by themselves
	for _, c := range r.calls {
		if c.deed == endAccess && c.outcome == ok {
			access[c.jti] = c.end
		}
	}
	for _, c := range r.calls {
		accepted := c.outcome == ok && (c.deed == refresh || c.deed == introspect && c.active)
		if accepted && c.start > at {
			add(4, r, "I2: %v, after its end was acknowledged: %v", c, by)
		}
		if own, found := access[c.jti]; found && accepted && c.start > own {
			add(4, r, "I2: %v, after the access token was ended", c)
		}
	}
	if by != nil && r.hasRow && !r.row.dead() {
		add(4, r, "I6: the family lives in the database, after its end was acknowledged: %v", by)
	}
}

// checkHonest is I4: nobody is logged out whose retries were within grace.
func (r *record) checkHonest(add adder) {
	if r.lethal || r.excused {
		return
	}
	for _, c := range r.calls {
		if c.deed == refresh && c.outcome == invalid {
			add(3, r, "I4: an honest client is logged out, each of whose retries was within grace: %v", c)
			return
		}
	}
	if r.hasRow && r.row.dead() {
		add(3, r, "I4: an honest client's family is dead in the database (%s)", r.row.Reason)
	}
}

// checkKept is I3 and I6: what was acknowledged is there.
func (r *record) checkKept(add adder) {
	if !r.hasRow {
		add(4, r, "I6: a sign-in was acknowledged, and the family is not in the database")
		return
	}
	for _, c := range r.calls {
		if c.deed == refresh && c.outcome == ok && c.newGen > r.row.Generation {
			add(4, r, "I3: generation %d was acknowledged, and the database has %d", c.newGen, r.row.Generation)
			return
		}
	}
}

// checkWrites is I6 and the fifth rule: each end of a subject or client that was acknowledged
// raised one epoch, and each sign-in made one row.
func (l *ledger) checkWrites(add adder) {
	least, most := make(map[string]int64), make(map[string]int64)
	signIns, unknown := 0, 0
	for _, c := range l.calls {
		switch {
		case c.deed == signIn && c.outcome == ok:
			signIns++
			if c.retried {
				unknown++
			}
		case c.deed == signIn && c.outcome == unavailable:
			unknown++
		case c.deed.endsSubject() || c.deed.endsClient():
			most[c.subject+c.client]++
			if c.outcome == ok {
				least[c.subject+c.client]++
			}
		}
	}
	for name, n := range most {
		if epoch := l.epochs[name]; epoch < least[name] || epoch > n {
			add(4, nil, "I6: %s was ended %d times as acknowledged and %d times at most, and its epoch is %d", name, least[name], n, epoch)
		}
	}
	if n := len(l.rows); n < signIns || n > signIns+unknown {
		add(5, nil, "%d sign-ins as acknowledged and %d at most have made %d rows", signIns, signIns+unknown, n)
	}
}

// story is the history of the family, if it is one's.
func (v violation) story() string {
	if v.family == nil {
		return ""
	}
	return v.family.story()
}

// String is one line.
func (v violation) String() string {
	s := v.what
	if v.family != nil {
		s = "family " + v.family.id + ": " + s
	}
	if v.rule == 0 {
		return s
	}
	return fmt.Sprintf("rule %d broken (%s): %s", v.rule, rules[v.rule], s)
}

// story is the history of the family, to be read.
func (r *record) story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "history of family %s (client %s, subject %s), in seconds:\n", r.id, r.born.client, r.born.subject)
	for _, c := range r.calls {
		fmt.Fprintln(&b, "  ", c)
	}
	fmt.Fprintf(&b, "   in the end the database has generation %d (%.6s), revoked %v %s, dead %v\n",
		r.row.Generation, r.row.LeafJTI, r.row.Revoked, r.row.Reason, r.row.dead())
	return b.String()
}
