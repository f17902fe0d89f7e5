package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// at is a call from one second to the next, of family f.
func at(second int, d deed, o outcome) *call {
	return &call{
		actor: "tab", deed: d, outcome: o, family: "f", subject: "ada", client: "app",
		start: time.Duration(second) * time.Second, end: time.Duration(second)*time.Second + time.Second/2,
	}
}

func signedIn() *call {
	c := at(0, signIn, ok)
	c.newJTI = "j0"
	return c
}

// refreshed presents generation gen, and is answered with the next.
func refreshed(second int, gen int64, jti, next string) *call {
	c := at(second, refresh, ok)
	c.gen, c.jti, c.newGen, c.newJTI = gen, jti, gen+1, next
	return c
}

func presented(second int, gen int64, jti string, o outcome) *call {
	c := at(second, refresh, o)
	c.gen, c.jti = gen, jti
	return c
}

func stolen(c *call) *call {
	c.thief = true
	return c
}

func looked(second int, active bool) *call {
	c := at(second, introspect, ok)
	c.active = active
	return c
}

func ofSubject(c *call) *call {
	c.family, c.client = "", ""
	return c
}

func alive(gen int64, leaf string) row { return row{ID: "f", Generation: gen, LeafJTI: leaf} }

func revokedRow(gen int64, leaf string) row {
	return row{ID: "f", Generation: gen, LeafJTI: leaf, Revoked: true}
}

// A checker is worth what it catches: each line is a history, and the words of the promise
// that it breaks. Grace is two seconds.
func TestJudge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		calls []*call
		row   row
		want  string // "": all is kept
	}{
		{
			"a retry within grace has the same successor",
			[]*call{signedIn(), presented(1, 0, "j0", unavailable), refreshed(2, 0, "j0", "j1"), refreshed(3, 1, "j1", "j2")},
			alive(2, "j2"), "",
		},
		{
			"a thief is caught, and the client with it",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), refreshed(2, 1, "j1", "j2"), stolen(presented(3, 0, "j0", invalid)), presented(4, 2, "j2", invalid)},
			revokedRow(2, "j2"), "",
		},
		{
			"an unknown revocation is not done, or late",
			[]*call{signedIn(), at(1, endFamily, unavailable), refreshed(2, 0, "j0", "j1"), looked(3, true)},
			alive(1, "j1"), "",
		},
		{
			"a killed server has stepped before the subject ended",
			[]*call{signedIn(), {
				actor: "tab", deed: refresh, outcome: invalid, family: "f", subject: "ada", client: "app", jti: "j0",
				start: time.Second, end: 3 * time.Second, retried: true,
			}, ofSubject(at(2, endSubject, ok))},
			revokedRow(1, "j1"), "",
		},
		{
			"two tabs have different successors",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), refreshed(1, 0, "j0", "k1")},
			alive(1, "j1"), "I1:",
		},
		{
			"a generation is left out",
			[]*call{signedIn(), func() *call { c := refreshed(1, 0, "j0", "j2"); c.newGen = 2; return c }()},
			alive(2, "j2"), "I1:",
		},
		{
			"a revocation is undone by a refresh",
			[]*call{signedIn(), at(1, endFamily, ok), refreshed(2, 0, "j0", "j1")},
			alive(1, "j1"), "I2:",
		},
		{
			"a token is active after the subject ended",
			[]*call{signedIn(), ofSubject(at(1, endSubject, ok)), looked(2, true)},
			revokedRow(0, "j0"), "I2:",
		},
		{
			"a refusal is followed by a success",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), presented(4, 0, "j0", invalid), refreshed(5, 1, "j1", "j2")},
			revokedRow(2, "j2"), "I2:",
		},
		{
			"an acknowledged generation is lost",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1")},
			alive(0, "j0"), "I3:",
		},
		{
			"an honest client is logged out",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), presented(2, 0, "j0", invalid)},
			revokedRow(1, "j1"), "I4:",
		},
		{
			"a replay after grace is accepted",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), stolen(refreshed(4, 0, "j0", "j1"))},
			alive(1, "j1"), "outside of the window",
		},
		{
			"a replay after grace does not end the family",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), stolen(presented(4, 0, "j0", invalid))},
			alive(1, "j1"), "I5:",
		},
		{
			"an acknowledged revocation is lost",
			[]*call{signedIn(), at(1, endFamily, ok)},
			alive(0, "j0"), "I6:",
		},
		{
			"a token is inactive, then active",
			[]*call{signedIn(), at(1, endFamily, unavailable), looked(2, false), looked(3, true)},
			revokedRow(0, "j0"), "linearizability:",
		},
		{
			"a live token is refused while the revocation is not known",
			[]*call{signedIn(), refreshed(1, 0, "j0", "j1"), at(9, endFamily, ok), presented(2, 1, "j1", invalid)},
			revokedRow(1, "j1"), "linearizability:",
		},
		{"an acknowledged family is not there for the operator", []*call{signedIn(), at(1, endFamily, missing)}, alive(0, "j0"), "MISSING"},
		{"an answer that there should not be", []*call{signedIn(), presented(1, 0, "j0", odd)}, alive(0, "j0"), "ODD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &ledger{
				calls: tt.calls, rows: map[string]row{"f": tt.row}, epochs: map[string]int64{"ada": 1},
				grace: 2 * time.Second, end: 20 * time.Second,
			}
			l.assemble()

			var got []string
			for _, v := range judge(l) {
				got = append(got, v.what)
			}

			text := strings.Join(got, "\n")
			if tt.want == "" && text != "" || !strings.Contains(text, tt.want) {
				t.Errorf("got %q, want it to have %q", text, tt.want)
			}
		})
	}
}

// What a primary says that works on without its standby is taken back without a promise being
// broken, unless it was acknowledged; what is said before and after it is not.
func TestWhatALonelyPrimarySays(t *testing.T) {
	t.Parallel()
	calls := []*call{signedIn(), at(1, endFamily, unavailable), looked(2, false), looked(3, true)}
	tests := []struct {
		name  string
		alone [2]time.Duration
		calls []*call
		want  string
	}{
		{"an end that was answered 503", [2]time.Duration{900 * time.Millisecond, 2900 * time.Millisecond}, calls, ""},
		{"the standby had it", [2]time.Duration{2600 * time.Millisecond, 2900 * time.Millisecond}, calls, "linearizability:"},
		{
			"an end that was acknowledged",
			[2]time.Duration{900 * time.Millisecond, 2900 * time.Millisecond},
			append(slices.Clone(calls), at(1, endFamily, ok)), "F-10:",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &ledger{calls: tt.calls, rows: map[string]row{"f": alive(0, "j0")}, grace: 2 * time.Second, end: 20 * time.Second, alone: tt.alone}
			l.assemble()

			var got string
			for _, v := range judge(l) {
				got += v.what + "\n"
			}

			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want it to have %q", got, tt.want)
			}
		})
	}
}

// The same seed decides the same.
func TestSeedReplays(t *testing.T) {
	t.Parallel()
	for i := range actors {
		a, b := newActor(&storm{seed: 7}, i), newActor(&storm{seed: 7}, i)
		other := newActor(&storm{seed: 8}, i)
		if x, y, z := a.random.Uint64(), b.random.Uint64(), other.random.Uint64(); x != y || x == z {
			t.Errorf("actor %d draws %d and %d with one seed, %d with another", i, x, y, z)
		}
	}
}
