//go:build failpoints

package failpoint

import "testing"

// F-42: a place acts at each n-th time, and nowhere else.
func TestEachNthTime(t *testing.T) {
	points = mustParse("here=panic@3")
	panicked := 0
	for range 7 {
		func() {
			defer func() {
				if recover() != nil {
					panicked++
				}
			}()
			Hit("here")
			Hit("there")
		}()
	}

	if panicked != 2 {
		t.Errorf("7 hits panicked %d times, want 2", panicked)
	}
}

func TestWrongListIsRefused(t *testing.T) {
	for _, list := range []string{"here", "here=stop", "here=kill@0", "here=kill@x", "here=sleep:long"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", list)
				}
			}()
			mustParse(list)
		}()
	}
}
