//go:build !failpoints

// Package failpoint names places where a storm may end, stop or hold a server. Only a build
// with the tag failpoints obeys; in every other build a place costs nothing.
//
// Such a build reads AUTHD_FAILPOINTS, a list of place=action@n separated by commas: at each
// n-th time that the place is reached (each time without @n) it does the action:
//
//	kill         SIGKILL to itself
//	panic        a panic of the goroutine
//	sleep:5ms    a pause
package failpoint

// Hit says that a place is reached.
func Hit(string) {}
