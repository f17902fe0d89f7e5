package main

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"
)

// report collects what is printed at the end.
type report struct {
	o       options
	rows    []line
	figures []line
}

type line []string

func newReport(o options) *report { return &report{o: o} }

// row is what an operation is compared with.
type row struct {
	limit  *subject
	share  float64 // of the limit's rate that one request can have at best
	target float64 // of that
	// bare is the costly part of the operation alone; a handler's p99 is the operation's
	// target.
	bare      *subject
	isHandler bool
}

func (r *report) add(op *subject, w row) {
	limit := w.limit.rate() * w.share
	ratio := op.rate() / limit
	target := fmt.Sprintf("≥ %.1f %%", 100*w.target) + verdict(ratio >= w.target)
	r.rows = append(r.rows, measured(op, limit, target), measured(w.limit, limit, "the limit"+per(w.share)))
	if w.bare == nil {
		return
	}
	target = ""
	if w.isHandler {
		target = "p99 of the operation no worse" + verdict(op.quantile(99) <= w.bare.quantile(99))
	}
	r.rows = append(r.rows, measured(w.bare, limit, target))
}

func measured(s *subject, limit float64, target string) line {
	return line{
		s.name, perSecond(s.rate()), milli(s.quantile(50)), milli(s.quantile(99)),
		fmt.Sprintf("%.1f %%", 100*s.rate()/limit), target,
	}
}

func per(share float64) string {
	if share == 1 {
		return ""
	}
	return fmt.Sprintf(" × %.0f", 1/share)
}

// figure is what is no rate.
func (r *report) figure(name, value, target string, met bool) {
	r.figures = append(r.figures, line{name, value, target + verdict(met)})
}

// note is a figure without a target: what else happens in a database decides about it.
func (r *report) note(name, value string) { r.figures = append(r.figures, line{name, value, ""}) }

func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "signatures by %s; %d processors, %d connections, %s each, in %d slices\n\n", signerName(), runtime.GOMAXPROCS(0), r.o.conns, r.o.duration, rounds)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "operation and what it is compared with\tper s\tp50 ms\tp99 ms\tof limit\ttarget")
	write(t, r.rows)
	fmt.Fprintln(t)
	write(t, r.figures)
	return t.Flush()
}

func write(out io.Writer, lines []line) {
	for _, l := range lines {
		for _, cell := range l {
			fmt.Fprintf(out, "%s\t", cell)
		}
		fmt.Fprintln(out)
	}
}

func verdict(met bool) string {
	if met {
		return ": met"
	}
	return ": MISSED"
}

func perSecond(rate float64) string { return fmt.Sprintf("%.0f", rate) }

func milli(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e3) }
