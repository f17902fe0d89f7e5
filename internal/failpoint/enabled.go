//go:build failpoints

// Package failpoint: see disabled.go.
package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// point is what happens at one place.
type point struct {
	act   func()
	every int64
	hits  atomic.Int64
}

var points = mustParse(os.Getenv("AUTHD_FAILPOINTS"))

// Hit says that a place is reached.
func Hit(place string) {
	if p := points[place]; p != nil && p.hits.Add(1)%p.every == 0 {
		p.act()
	}
}

func mustParse(list string) map[string]*point {
	all := make(map[string]*point)
	for item := range strings.SplitSeq(list, ",") {
		if item == "" {
			continue
		}
		place, rest, _ := strings.Cut(item, "=")
		action, nth, hasNth := strings.Cut(rest, "@")
		p := &point{every: 1}
		var err error
		if hasNth {
			p.every, err = strconv.ParseInt(nth, 10, 64)
		}
		if err == nil {
			p.act, err = parseAction(place, action)
		}
		if err != nil || p.every < 1 {
			panic(fmt.Sprintf("AUTHD_FAILPOINTS: %q: want place=action@n", item))
		}
		all[place] = p
	}
	return all
}

func parseAction(place, action string) (func(), error) {
	name, arg, _ := strings.Cut(action, ":")
	switch name {
	case "kill":
		return func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal may take a moment
		}, nil
	case "panic":
		return func() { panic("failpoint " + place) }, nil
	case "sleep":
		d, err := time.ParseDuration(arg)
		return func() { time.Sleep(d) }, err
	}
	return nil, fmt.Errorf("no action %q", action)
}
