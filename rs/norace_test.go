//go:build !race

package rs_test

const raceAllocs = 0
