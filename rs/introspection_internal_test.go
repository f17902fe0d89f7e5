package rs

import (
	"testing"
	"time"
)

// Memory is bounded by the tokens of two CacheFor.
func TestIntrospectionCacheForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	i := &Introspection{
		cfg:     IntrospectionConfig{CacheFor: time.Minute, Now: func() time.Time { return now }},
		active:  make(map[tokenKey]time.Time),
		sweptAt: now,
	}
	for n := range 1000 {
		i.remember(tokenKey{byte(n), byte(n >> 8)}, true, now)
		now = now.Add(time.Second)
		if len(i.active) > 120 {
			t.Fatalf("%d answers are kept after %d tokens, one in a second", len(i.active), n+1)
		}
	}
	if len(i.active) < 60 {
		t.Errorf("%d answers are kept, want those of the last minute", len(i.active))
	}
}
