package main

import (
	"context"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// step does one thing once. It returns errSpent when there is nothing left to do.
type step func() error

var errSpent = errors.New("nothing left to do")

// subject is what is measured: closed loops that run at the same time.
type subject struct {
	name  string
	steps []step
	// begin, if set, runs before each slice of time.
	begin func()

	count   int64
	elapsed time.Duration
	latency *hdrhistogram.Histogram // in nanoseconds
}

func newSubject(name string, steps []step) *subject {
	return &subject{name: name, steps: steps, begin: func() {}, latency: newHistogram()}
}

// newHistogram holds 1 µs to 30 s to three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1e3, 30e9, 3) }

func (s *subject) rate() float64 { return float64(s.count) / s.elapsed.Seconds() }

func (s *subject) quantile(q float64) time.Duration {
	return time.Duration(s.latency.ValueAtQuantile(q))
}

// slice runs the loops for d.
func (s *subject) slice(ctx context.Context, d time.Duration) error {
	s.begin()
	var g errgroup.Group
	histograms := make([]*hdrhistogram.Histogram, len(s.steps))
	start := time.Now()
	for i, do := range s.steps {
		histograms[i] = newHistogram()
		g.Go(func() error { return loop(ctx, do, start.Add(d), histograms[i]) })
	}
	err := g.Wait()
	s.elapsed += time.Since(start)
	for _, h := range histograms {
		s.count += h.TotalCount()
		s.latency.Merge(h)
	}
	return err
}

func loop(ctx context.Context, do step, until time.Time, latency *hdrhistogram.Histogram) error {
	for last := time.Now(); last.Before(until); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(); errors.Is(err, errSpent) {
			return nil
		} else if err != nil {
			return err
		}
		now := time.Now()
		if err := latency.RecordValue(int64(now.Sub(last))); err != nil {
			return err
		}
		last = now
	}
	return nil
}

// rounds is into how many slices each measurement is cut.
const rounds = 20

// inTurns measures the subjects for d each, in slices.
func inTurns(ctx context.Context, d time.Duration, subjects ...*subject) error {
	for range rounds {
		for _, s := range subjects {
			if err := s.slice(ctx, d/rounds); err != nil {
				return err
			}
		}
	}
	return nil
}

// warm runs each subject for a moment that is not measured.
func warm(ctx context.Context, subjects ...*subject) error {
	for _, s := range subjects {
		if err := newSubject(s.name, s.steps).slice(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
