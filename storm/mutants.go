package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

//go:embed mutants.json
var mutantsJSON []byte

// mutant is authd with one of its guards taken out.
type mutant struct {
	Name, About string
	Edits       []edit
}

func mutants() (all []mutant, err error) {
	err = json.Unmarshal(mutantsJSON, &all)
	return all, err
}

// A mutant's storm ends when it is caught. It is judged between rounds, when no call is under
// way: only then is the history all that happened.
const (
	mutantRound  = 2500 * time.Millisecond
	mutantRounds = 10
)

// run returns what the checker caught, and after how many rounds.
func (m mutant) run(ctx context.Context, pg *postgres, home string, o options) (caught []violation, rounds int, err error) {
	binary, err := build(ctx, home, m.Name, m.Edits)
	if err != nil {
		return nil, 0, err
	}
	p := part{
		name: m.Name, length: mutantRound, grace: time.Second,
		// Who has read the family holds it for a moment: time for another to come between.
		failpoints: func(int) string { return "refresh.after_lock=sleep:4ms" },
	}
	c, s, err := p.begin(ctx, pg, nil, binary, o)
	if err != nil {
		return nil, 0, err
	}
	defer c.stop()
	for rounds = 1; ; rounds++ {
		if err := p.drive(ctx, s, newCounts()); err != nil {
			return nil, 0, err
		}
		l, err := newLedger(ctx, s)
		if err != nil {
			return nil, 0, err
		}
		caught = slices.DeleteFunc(judge(l, s.alone), func(v violation) bool { return v.rule == 0 }) // a 500 proves little
		if len(caught) > 0 || rounds == mutantRounds || len(m.Edits) == 0 {
			return caught, rounds, nil
		}
	}
}

// printMutants returns the number of those that were not caught.
func printMutants(ctx context.Context, out io.Writer, pg *postgres, home string, o options) (missed int, err error) {
	all, err := mutants()
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "\n== mutants: authd with a guard taken out; the checker has to find a broken promise\n")
	all = append([]mutant{{Name: "control", About: "no guard is taken out"}}, all...)
	for _, m := range all {
		if o.only != "" && o.only != "mutants" && o.only != m.Name {
			continue
		}
		caught, rounds, err := m.run(ctx, pg, home, o)
		if err != nil {
			return missed, fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		text, good := m.verdict(caught, rounds)
		if !good {
			missed++
			text = "fault: " + text
		}
		fmt.Fprintln(out, text)
	}
	return missed, nil
}

func (m mutant) verdict(caught []violation, rounds int) (text string, good bool) {
	about := fmt.Sprintf("%s (%s)", m.Name, m.About)
	switch {
	case len(m.Edits) == 0 && len(caught) == 0:
		return about + ": kept all", true
	case len(m.Edits) == 0:
		return fmt.Sprintf("%s: %v\n%s", about, caught[0], caught[0].family.story()), false
	case len(caught) == 0:
		return fmt.Sprintf("%s was not caught in %d rounds", about, rounds), false
	}
	return fmt.Sprintf("%s: caught in round %d, %d times\n    %v", about, rounds, len(caught), caught[0]), true
}
