package main

import (
	"slices"
	"time"
)

// parts of a storm, each of which begins with an empty database. The length is that of the
// short form and of the long one.
func parts(o options) []part {
	length := func(short, long int) time.Duration {
		if o.short {
			return time.Duration(short) * time.Second
		}
		return time.Duration(long) * time.Second
	}
	few := func(short, long int) int {
		if o.short {
			return short
		}
		return long
	}
	return []part{
		{
			name: "calm", about: "answers are lost (F-04), and nothing else fails",
			length: length(8, 60), grace: 2 * time.Second,
			least: map[string]int{
				"refreshes": few(60, 600), "answers with the same successor": few(10, 100), "answers lost": few(10, 100),
				"thefts that ended a family": few(2, 20), "ends of families": few(2, 20), "ends of subjects and clients": few(2, 20),
				"families ended without a write of theirs": few(2, 20),
			},
		},
		{
			name: "kills", about: "servers die by SIGKILL at each failpoint (F-01, F-02, F-38)",
			length: length(10, 90), grace: 10 * time.Second, fault: killServers,
			least: map[string]int{
				"refreshes": few(30, 300), "killed": few(4, 30), "killed: refresh.before_lock": few(0, 2), "killed: refresh.after_lock": few(0, 2),
				"killed: refresh.before_commit": few(0, 2), "killed: refresh.after_commit": few(0, 2), "killed: revoke.before_commit": few(0, 1),
				"killed: revoke.after_commit": few(0, 1), "killed: from outside": few(0, 2),
			},
		},
		{
			name: "crashes", about: "PostgreSQL is crash-restarted every few seconds (F-05)",
			length: length(8, 90), grace: 10 * time.Second, fault: crashDatabase,
			least: map[string]int{"refreshes": few(20, 200), "database crashes": few(1, 10)},
		},
		{
			name: "connections", about: "connections end before and after a COMMIT, backends are terminated, few are let in (F-03, F-06, F-17)",
			length: length(7, 60), grace: 10 * time.Second, fault: breakConnections,
			least: map[string]int{"refreshes": few(20, 200), "commits cut before": few(2, 20), "commits cut after": few(2, 20), "backends ended": few(10, 100)},
		},
		{
			name: "slow", about: "the database is slow, answers byte by byte, and hangs (F-14, F-15, F-47)",
			length: length(12, 60), grace: 20 * time.Second, fault: slowDatabase,
			least: map[string]int{"refreshes": few(10, 100), "crawls of the database": 1, "hangs of the database": few(1, 5)},
		},
		{
			name: "crowd", about: "one family is asked for by many, and locked (F-12, F-13)", noLosses: true,
			length: length(5, 40), grace: 10 * time.Second, fault: crowd, quiet: true,
			least: map[string]int{
				"F-12, at a locked family: UNAVAILABLE": 1, "F-13, at a family all at once: OK": 2, "F-13, at a family all at once: BUSY": 1,
			},
		},
		{
			name: "rolling", about: "servers end by SIGTERM and start again, one after the other (F-37)", noLosses: true,
			length: length(6, 60), grace: 2 * time.Second, fault: rollServers, quiet: true,
			least: map[string]int{"refreshes": few(30, 300), "servers ended in order": few(2, 15)},
		},
		{
			name: "panics", about: "a server panics while it holds a family's lock (F-42)", panics: true,
			length: length(4, 30), grace: 10 * time.Second, fault: panics,
			failpoints: func(int) string { return "refresh.after_lock=panic@12" },
			least:      map[string]int{"refreshes": few(20, 200), "panics": few(3, 30)},
		},
		{
			name: "fail-over", about: "waits for a synchronous standby are cancelled, and it takes the place of the primary (F-07, F-10)",
			length: length(7, 30), grace: 10 * time.Second, fault: failOver, standby: synchronous,
			least: map[string]int{"refreshes": few(20, 60), "fail-overs": 1, "F-10, waits for the standby that were cancelled": 5},
		},
		{
			name: "loss", about: "the same with an asynchronous standby that is behind: the loss has to be seen (F-08)",
			length: length(7, 30), grace: 10 * time.Second, fault: loseData, standby: asynchronous,
			least: map[string]int{"refreshes": few(20, 60), "fail-overs": 1},
		},
	}
}

// failOverPart is where mutants are tried that need a standby.
func failOverPart(o options) part {
	all := parts(o)
	return all[slices.IndexFunc(all, func(p part) bool { return p.standby == synchronous })]
}
