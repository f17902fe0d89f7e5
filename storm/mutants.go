package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/mutants"
)

// trial is a storm over a mutant; without one it is the control.
type trial struct {
	name   string
	mutant *mutants.Mutant
	build  func() (binary string, err error)
	part   part
}

// A mutant's storm ends when it is caught. It is judged between rounds, when no call is under
// way: only then is the history all that happened.
const (
	trialRound  = 2500 * time.Millisecond
	trialRounds = 10
)

// needStandby are the mutants that break what only a fail-over shows.
var needStandby = []string{"acknowledged-alone"}

func trials(fallen part) (all []trial, err error) {
	plain := part{
		length: trialRound, grace: time.Second,
		// Who has read the family holds it for a moment: time for another to come between.
		failpoints: func(int) string { return "refresh.after_lock=sleep:4ms" },
	}
	all = append(all, trial{name: "control", part: plain})
	files, err := filepath.Glob("mutants/*.txtar")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no mutants in the folder mutants: %w", err)
	}
	for _, file := range files {
		m, err := mutants.Read(root, file)
		if err != nil {
			return nil, err
		}
		t := trial{name: m.Name, mutant: &m, part: plain}
		if slices.Contains(needStandby, m.Name) {
			t.part = fallen
		}
		all = append(all, t)
	}
	return all, nil
}

// run returns what the checker caught, and after how many rounds.
func (t trial) run(ctx context.Context, pg *postgres, home string, o options) (caught []violation, rounds int, err error) {
	binary, err := t.build()
	if err != nil {
		return nil, 0, err
	}
	s, stop, err := t.part.begin(ctx, pg, home, binary, o)
	if err != nil {
		return nil, 0, err
	}
	defer stop()
	for rounds = 1; ; rounds++ {
		if err := t.part.drive(ctx, s, newCounts()); err != nil {
			return nil, 0, err
		}
		l, err := newLedger(ctx, s)
		if err != nil {
			return nil, 0, err
		}
		caught = slices.DeleteFunc(judge(l), func(v violation) bool { return !t.isCaughtBy(v) })
		if len(caught) > 0 || rounds == trialRounds || t.mutant == nil || t.part.fault != nil {
			return caught, rounds, nil
		}
	}
}

// isCaughtBy: a mutant by what it says, the control by everything.
func (t trial) isCaughtBy(v violation) bool {
	return t.mutant == nil || slices.ContainsFunc(t.mutant.CaughtBy, func(words string) bool { return strings.Contains(v.what, words) })
}

// tryMutants returns the number of those that were not caught.
func tryMutants(ctx context.Context, out io.Writer, pg *postgres, home string, o options) (missed int, err error) {
	all, err := trials(failOverPart(o))
	if err != nil {
		return 0, err
	}
	for i, t := range all {
		all[i].build = sync.OnceValues(func() (string, error) { return build(ctx, home, "mutant-"+t.name, t.mutant) })
	}
	fmt.Fprintf(out, "\n== mutants: authd with a guard taken out; the checker has to find a broken promise\n")
	for i, t := range all {
		if o.only != "" && o.only != "mutants" && o.only != t.name {
			continue
		}
		if i+1 < len(all) && o.only != t.name { // while this one storms
			go func() { _, _ = all[i+1].build() }()
		}
		caught, rounds, err := t.run(ctx, pg, home, o)
		if err != nil {
			return missed, fmt.Errorf("mutant %s: %w", t.name, err)
		}
		text, good := t.verdict(caught, rounds)
		if !good {
			missed++
			text = "fault: " + text
		}
		fmt.Fprintln(out, text)
	}
	return missed, nil
}

func (t trial) verdict(caught []violation, rounds int) (text string, good bool) {
	switch {
	case t.mutant == nil && len(caught) == 0:
		return "control, no guard is taken out: nothing is caught", true
	case t.mutant == nil:
		return fmt.Sprintf("control, no guard is taken out: %v\n%s", caught[0], caught[0].story()), false
	case len(caught) == 0:
		return fmt.Sprintf("%s (%s) was not caught in %d rounds", t.name, t.mutant.Why, rounds), false
	}
	return fmt.Sprintf("%s (%s): caught %d times in round %d\n    %v", t.name, t.mutant.Why, len(caught), rounds, caught[0]), true
}
