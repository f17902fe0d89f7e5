package main

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// state of a family as the model has it: the table of the design, without its clock.
type state struct {
	born, dead   bool
	gen          int64
	leaf, parent string // "": not known yet
}

// checkModel asks porcupine whether the family's calls can be put in an order, within the
// times at which they were made, in which the model gives every answer that was seen. The
// database's last word is one of them.
func (r *record) checkModel(l *ledger, add adder) {
	switch porcupine.CheckOperationsTimeout(familyModel, r.operations(l), modelTime) {
	case porcupine.Ok:
	case porcupine.Illegal:
		add(4, r, "linearizability: no order of its calls explains their answers")
	case porcupine.Unknown:
		l.unjudged++
	}
}

// checkJudged: the search is exponential in calls whose outcome is unknown, and gives up now and
// then. The other checks look at those families all the same.
func (l *ledger) checkJudged(add adder) {
	if l.unjudged*unjudgedOneIn > len(l.families) {
		add(4, nil, "linearizability: of %d families %d could not be judged, each in %v", len(l.families), l.unjudged, modelTime)
	}
}

const (
	modelTime     = 20 * time.Second
	unjudgedOneIn = 50 // at most
	// An outcome that is unknown may come to be so long after its call: a database that hangs
	// goes on with what it has received.
	lateness = 2 * hangTime
)

// operations leaves out what cannot matter, since the search is exponential in what is unknown.
func (r *record) operations(l *ledger) (all []porcupine.Operation) {
	clients := make(map[string]int)
	for _, c := range r.modelled(l) {
		if _, known := clients[c.actor]; !known {
			clients[c.actor] = len(clients)
		}
		if c.retried && c.deed != introspect && c.deed != signIn { // the first try is a call of its own
			first := *c
			first.outcome = unavailable
			all = append(all, first.operation(clients[c.actor]))
		}
		all = append(all, c.operation(clients[c.actor]))
	}
	if r.hasRow {
		last := int64(l.end + 2*lateness)
		all = append(all, porcupine.Operation{ClientId: len(clients), Input: r.row, Output: r.row, Call: last, Return: last + 1})
	}
	return all
}

// modelled are the calls that may change or say something. Of an honest client's tries with
// one token, all within grace, whose outcomes are unknown, one at most was not a replay: they
// become one call.
func (r *record) modelled(l *ledger) (all []*call) {
	single := make(map[string]bool) // access tokens that were ended by themselves
	for _, c := range r.calls {
		if c.deed == endAccess {
			single[c.jti] = true
		}
	}
	ended, _ := r.ended()
	tries := make(map[int64]*call)
	for _, c := range r.calls {
		again := c.start > ended && c.ends(&r.family) // of what is dead
		if !c.isModelled() || again || l.isRumour(c) || c.deed == introspect && single[c.jti] {
			continue
		}
		if !r.isReplayAtMost(c, l.grace) {
			all = append(all, c)
			continue
		}
		if tries[c.gen] == nil {
			one := *c
			tries[c.gen] = &one
			all = append(all, &one)
		}
		tries[c.gen].end = max(tries[c.gen].end, c.end)
	}
	return all
}

// isReplayAtMost: it is over before the next generation is presented, and before grace is, so
// that it can have stepped or changed nothing.
func (r *record) isReplayAtMost(c *call, grace time.Duration) bool {
	if c.deed != refresh || c.outcome != unavailable || c.thief {
		return false
	}
	return !slices.ContainsFunc(r.calls, func(d *call) bool {
		return d.deed == refresh && (d.gen > c.gen && d.start < c.end || d.gen == c.gen && d.start+grace < c.end)
	})
}

func (c *call) operation(client int) porcupine.Operation {
	back := c.end
	if c.outcome == unavailable {
		back += lateness
	}
	return porcupine.Operation{ClientId: client, Input: c, Output: c, Call: int64(c.start), Return: int64(back)}
}

// isModelled: the rest changes nothing and says nothing.
func (c *call) isModelled() bool {
	switch {
	case c.outcome == refused, c.outcome == foreign, c.outcome == odd, c.outcome == missing, c.outcome == busy, c.deed == endAccess:
		return false
	case c.outcome == unavailable:
		return c.deed != introspect && c.deed != signIn
	case c.outcome == invalid:
		return c.deed == refresh
	}
	return true
}

var familyModel = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{}} },
	Step: func(from, input, _ any) []any {
		next := step(from.(state), input)
		all := make([]any, len(next))
		for i, s := range next {
			all[i] = s
		}
		return all
	},
}).ToModel()

// step returns the states in which what was seen may leave s; none, if it cannot be seen in s.
func step(s state, seen any) []state {
	switch seen := seen.(type) {
	case row:
		return s.atTheEnd(seen)
	case *call:
		switch {
		case seen.deed == signIn:
			return s.begin(seen)
		case seen.deed == refresh:
			return s.refresh(seen)
		case seen.deed == introspect:
			return s.introspect(seen)
		}
		return s.end(seen)
	}
	return nil
}

func (s state) begin(c *call) []state {
	if s.born {
		return nil
	}
	return []state{{born: true, gen: c.newGen, leaf: c.newJTI}}
}

// end of a subject before the sign-in is none of the family's.
func (s state) end(c *call) []state {
	ended := s
	ended.dead = s.born
	if c.outcome == unavailable && ended != s {
		return []state{s, ended}
	}
	return []state{ended}
}

func (s state) introspect(c *call) []state {
	if s.born && c.active != s.dead {
		return []state{s}
	}
	return nil
}

func (s state) atTheEnd(r row) []state {
	if s.born && s.dead == r.dead() && s.gen == r.Generation && matches(s.leaf, r.LeafJTI) {
		return []state{s}
	}
	return nil
}

func matches(known, jti string) bool { return known == "" || known == jti }

func (s state) refresh(c *call) []state {
	if !s.born {
		return nil
	}
	dead := s
	dead.dead = true
	isLeaf := c.gen == s.gen && matches(s.leaf, c.jti)
	isParent := c.gen == s.gen-1 && matches(s.parent, c.jti)
	switch c.outcome {
	case ok:
		switch {
		case s.dead || c.newGen != c.gen+1:
			return nil
		case isLeaf:
			return []state{{born: true, gen: c.newGen, leaf: c.newJTI, parent: c.jti}}
		case isParent && matches(s.leaf, c.newJTI):
			s.leaf, s.parent = c.newJTI, c.jti
			return []state{s}
		}
		return nil
	case invalid:
		if isLeaf && !s.dead {
			return nil
		}
		return []state{dead}
	default: // unknown: all that it may have done
		switch {
		case s.dead:
			return []state{s}
		case isLeaf:
			return []state{s, {born: true, gen: s.gen + 1, parent: c.jti}}
		}
		return []state{s, dead} // the parent within grace changes nothing; too late, or older, it ends the family
	}
}
