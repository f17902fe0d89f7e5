// Command verify measures what it takes to verify an access token, beside other Go libraries and the bare signature:
//
//	cd bench/verify && go run .
//
// All verify the same tokens of a dozen claims, by a key set in memory, with signature, iss, aud and exp, set up as their
// documentation shows, and read all claims. The contenders take turns of a few hundred tokens each. A turn counts with the
// median of its tokens, and what is printed is the median of the turns; a ratio is taken within one round of turns. So
// what else the machine does hits all alike.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

const (
	turns  = 60
	tokens = 256 // of one turn
	warmUp = 256 // others before that: a resource server runs all day
)

// contender verifies a token; start is called before each turn, outside of what is measured.
type contender struct {
	name   string
	start  func() (verify func(token) error, err error)
	target string
	meets  func(result) bool
}

type result struct {
	took   []time.Duration // of one token, in each turn
	ratios []float64       // to the bare signature of the same turn
	allocs []float64
}

func main() {
	w, err := newWorld()
	if err == nil {
		err = run(w)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

func run(w *world) error {
	all := append([]contender{w.bare()}, append(w.ours(), w.peers()...)...)
	results := make([]result, len(all))
	for range turns {
		var bare time.Duration
		for i, c := range all {
			took, allocs, err := turn(c, w.tokens)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if i == 0 {
				bare = took
			}
			r := &results[i]
			r.took = append(r.took, took)
			r.ratios = append(r.ratios, float64(took)/float64(bare))
			r.allocs = append(r.allocs, allocs)
		}
	}
	print(all, results)
	return nil
}

// turn returns what a token took.
func turn(c contender, all []token) (time.Duration, float64, error) {
	verify, err := c.start()
	if err != nil {
		return 0, 0, err
	}

	for _, t := range all[:warmUp] {
		if err := verify(t); err != nil {
			return 0, 0, err
		}
	}
	took := make([]time.Duration, 0, tokens)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, t := range all[warmUp:] {
		began := time.Now()
		err := verify(t)
		took = append(took, time.Since(began))
		if err != nil {
			return 0, 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return median(took), float64(after.Mallocs-before.Mallocs) / tokens, nil
}

func print(all []contender, results []result) {
	fmt.Printf("%s, %s/%s, %d turns of %d tokens, medians\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, turns, tokens)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\tµs\tto the bare signature\tallocations\ttarget")
	for i, c := range all {
		r := results[i]
		verdict := ""
		if c.meets != nil && !c.meets(r) {
			verdict = ": missed"
		}
		fmt.Fprintf(out, "%s\t%.1f\t%.2f\t%.0f\t%s%s\n", c.name, micro(r), median(r.ratios), median(r.allocs), c.target, verdict)
	}
	_ = out.Flush()
}

func micro(r result) float64 { return float64(median(r.took).Nanoseconds()) / 1000 }

func median[T time.Duration | float64](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
