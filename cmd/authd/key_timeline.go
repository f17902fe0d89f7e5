package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

const (
	// timelineWidth and the labels before it make 80 columns.
	timelineWidth = 64
	// timelinePast is how many keys are drawn that do not sign any more.
	timelinePast = 3
)

// What happens to a key, in the order in which one hides the other where both meet in a column.
const (
	markAnnounced = '.'
	markPublished = '~'
	markPlanned   = '-'
	markSigning   = '='
	markRevoked   = 'x'
)

const timelineLegend = ". announced   = signing   - planned to sign   ~ retired, still verifies   x revoked   > goes on"

// timeline is a picture of one ring. It shows what is written on the rows, and the plan.
type timeline struct {
	now, from, until time.Time
	keys             []authd.Key
	older            int // that are not drawn
	plan             time.Time
}

// newTimeline takes the keys of one ring by age.
func newTimeline(ring []authd.Key, now time.Time) *timeline {
	t := &timeline{now: now, from: now, until: now, plan: now}
	past := 0
	for _, k := range ring {
		if isPast(k) {
			past++
		}
	}
	for _, k := range ring {
		if isPast(k) && t.older < past-timelinePast {
			t.older++
			continue
		}
		t.keys = append(t.keys, k)
		t.from = earlier(t.from, k.AnnouncedAt)
		if !isPast(k) {
			t.until = later(t.until, k.RotateAfter)
		}
		if k.State == "signing" {
			t.plan = later(now, k.RotateAfter)
		}
	}
	return t
}

func isPast(k authd.Key) bool { return k.State != "announced" && k.State != "signing" }

func (t *timeline) print(w io.Writer) {
	const label = 16
	margin := strings.Repeat(" ", label)
	from, until := clock(t.from), clock(t.until)
	fmt.Fprintf(w, "%s%s%*s\n", margin, from, timelineWidth-len(from), until)
	fmt.Fprintf(w, "%s%s\n", margin, t.scale())
	for _, k := range t.keys {
		fmt.Fprintf(w, "%*d %-*s %s\n", 4, k.Seq, label-6, k.State, strings.TrimRight(string(t.bar(k)), " "))
	}
	if t.older > 0 {
		fmt.Fprintf(w, "%s(%d older, in the table above)\n", margin, t.older)
	}
}

// clock is a time at the edge of a picture.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// scale marks both edges, and now.
func (t *timeline) scale() string {
	line := []byte("|" + strings.Repeat(" ", timelineWidth-2) + "|")
	column := t.column(t.now)
	text, start := "v now", column
	if column+len(text) > timelineWidth {
		text = "now v"
		start = column - len(text) + 1
	}
	copy(line[start:], text)
	return string(line)
}

// column is where a moment lies, from 0 to timelineWidth-1.
func (t *timeline) column(at time.Time) int {
	whole := t.until.Sub(t.from)
	if whole <= 0 {
		return 0
	}
	return min(int(float64(at.Sub(t.from))/float64(whole)*timelineWidth), timelineWidth-1)
}

// bar draws a key. A phase is at least one column wide, however short it was.
func (t *timeline) bar(k authd.Key) []byte {
	bar := []byte(strings.Repeat(" ", timelineWidth))
	for _, p := range t.phases(k) {
		if !p.from.Before(p.until) || p.from.After(t.until) {
			continue
		}
		first := t.column(p.from)
		last := max(t.column(p.until)-1, first)
		if p.until.After(t.until) {
			last = timelineWidth - 1
		}
		for i := first; i <= last; i++ {
			bar[i] = p.mark
		}
		if p.until.After(t.until) {
			bar[last] = '>'
		}
	}
	if k.RevokedAt != nil {
		bar[t.column(*k.RevokedAt)] = markRevoked
	}
	if i := t.column(t.now); bar[i] == ' ' {
		bar[i] = '|'
	}
	return bar
}

// phase is what a key is from one moment to another.
type phase struct {
	mark        byte
	from, until time.Time
}

// phases of a key, the one that hides another behind it.
func (t *timeline) phases(k authd.Key) []phase {
	switch {
	case k.SignsFrom == nil && k.RevokedAt != nil:
		return []phase{{markAnnounced, k.AnnouncedAt, *k.RevokedAt}}
	case k.SignsFrom == nil:
		return []phase{{markAnnounced, k.AnnouncedAt, t.plan}, {markPlanned, t.plan, k.RotateAfter}}
	case k.SignsUntil == nil:
		return []phase{
			{markAnnounced, k.AnnouncedAt, *k.SignsFrom},
			{markPlanned, t.now, k.RotateAfter},
			{markSigning, *k.SignsFrom, t.now},
		}
	}
	published := *k.PublishedUntil
	if k.RevokedAt != nil {
		published = earlier(published, *k.RevokedAt)
	}
	return []phase{
		{markAnnounced, k.AnnouncedAt, *k.SignsFrom},
		{markPublished, *k.SignsUntil, published},
		{markSigning, *k.SignsFrom, *k.SignsUntil},
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
