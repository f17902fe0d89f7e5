//go:build race

package rs_test

// raceAllocs is what the race detector adds to a verification.
const raceAllocs = 1
