package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// places at which servers are killed, and how many times one is reached before at most.
var places = []struct {
	name string
	most int
}{
	{"refresh.before_lock", 20},
	{"refresh.after_lock", 20},
	{"refresh.before_commit", 20},
	{"refresh.after_commit", 20},
	{"revoke.before_commit", 2},
	{"revoke.after_commit", 2},
	{"", 0}, // wherever it is
}

// killServers keeps servers running of which each is killed at the next place (F-01, F-02,
// F-38).
func killServers(ctx context.Context, s *storm, c *counts) error {
	random := seeded(s.seed, "kills")
	at := make([]int, servers)
	next := 0
	begin := func(i int) error {
		place := places[next%len(places)]
		at[i] = next % len(places)
		next++
		if err := s.cluster.start(ctx, i, killAt(place.name, place.most, random)); err != nil {
			return err
		}
		if one := s.cluster.server(i); place.name == "" {
			wait := time.Duration(random.Int64N(int64(time.Second)))
			time.AfterFunc(wait, func() { _ = one.cmd.Process.Kill() })
		}
		return nil
	}
	for i := range servers {
		s.cluster.server(i).end(syscall.SIGKILL)
		if err := begin(i); err != nil && ctx.Err() == nil {
			return err
		}
	}
	for pause(ctx, 50*time.Millisecond) {
		for i := range servers {
			if !s.cluster.server(i).hasEnded() {
				continue
			}
			c.add("killed", 1)
			c.add("killed: "+cmp.Or(places[at[i]].name, "from outside"), 1)
			if err := begin(i); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return replaceAll(context.WithoutCancel(ctx), s)
}

func killAt(place string, most int, random *rand.Rand) string {
	if place == "" {
		return ""
	}
	return fmt.Sprintf("%s=kill@%d", place, 1+random.IntN(most))
}

// replaceAll ends all servers and starts others without failpoints.
func replaceAll(ctx context.Context, s *storm) error {
	for i := range servers {
		s.cluster.server(i).end(syscall.SIGKILL)
		if err := s.cluster.start(ctx, i, ""); err != nil {
			return err
		}
	}
	return nil
}
