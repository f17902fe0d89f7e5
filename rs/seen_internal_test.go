package rs

import (
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// However tokens are made, what is remembered of them takes no more memory than it says. Not parallel: it looks at
// the whole heap.
func TestSeenTokensMemory(t *testing.T) {
	const usual = `{"iss":"https://id.example.com","aud":"https://api.example.com","sub":"usr_1","client_id":"shop",` +
		`"jti":"j-%d","sid":"f-1","scope":"read write","iat":1700000000,"nbf":1700000000,"exp":1700000600,` +
		`"auth_time":1699999000,"fresh":true,"type":"access"`
	tests := []struct{ name, extra string }{
		{"the usual token", ``},
		{"a long text", `,"x":"` + strings.Repeat("x", 5000) + `"`},
		{"a text of escapes", `,"x":"` + strings.Repeat(`\u00e9`, 800) + `"`},
		{"many claims", manyClaims(300)},
		{"a long array", `,"x":[` + strings.Repeat("1,", 2400) + `1]`},
		{"empty objects", `,"x":[` + strings.Repeat("{},", 1600) + `1]`},
		{"empty arrays", `,"x":[` + strings.Repeat("[],", 1600) + `1]`},
		{"objects of one", `,"x":[` + strings.Repeat(`{"":1},`, 650) + `1]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s seenTokens
			key := &rsa.PublicKey{N: big.NewInt(1), E: 3}
			before, put := heap(), 0
			for full := false; !full && put < 10_000; put++ { // both halves
				d := decodedToken(t, fmt.Sprintf(usual, put)+tt.extra+"}")
				d.key = key
				s.put(d, time.Time{})
				full = len(s.old) > 0 && put > 2*len(s.old) && s.size+d.size > maxSeenBytes/2
			}
			took, remembered := heap()-before, len(s.young)+len(s.old)

			if remembered >= put {
				t.Errorf("%d of %d tokens are remembered, want some of them forgotten", remembered, put)
			}
			if took > maxSeenBytes {
				t.Errorf("%d tokens take %d bytes, more than %d", remembered, took, maxSeenBytes)
			}
			t.Logf("%d tokens in %d KiB", remembered, took>>10)
			runtime.KeepAlive(&s)
		})
	}
}

func manyClaims(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"claim-%d":"v"`, i)
	}
	return b.String()
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// decodedToken is what is remembered of a token with a signature of the usual length, which nobody verifies here.
func decodedToken(t *testing.T, payload string) *verified {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	raw := enc([]byte(`{"alg":"RS256","kid":"k","typ":"at+jwt"}`)) + "." + enc([]byte(payload)) + "." + enc(make([]byte, 256))
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		t.Fatal(err)
	}
	d, err := readClaims(c)
	if err != nil {
		t.Fatal(err)
	}
	d.measure()
	return d
}
