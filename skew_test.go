package authd_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-authd/authd"
)

// F-20: a server whose clock is more than 5 s from the database's is not ready, and says
// which check failed.
func TestReadyzComparesTheClocks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		want  int
	}{
		{"the same clock", 0, http.StatusOK},
		{"four seconds ahead", 4 * time.Second, http.StatusOK},
		{"seven seconds ahead", 7 * time.Second, http.StatusServiceUnavailable},
		{"an hour behind", -time.Hour, http.StatusServiceUnavailable},
	} {
		var ahead atomic.Int64
		ahead.Store(int64(tt.ahead))
		h := newHarness(t, func(c *authd.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		status, body := h.readyz()
		if status != tt.want || strings.Contains(body, `"failed":["clock"]`) != (tt.want != http.StatusOK) {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.want)
		}
	}
}
