package rs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/go-authd/authd/internal/oauth"
)

// wycheproofGroup is a key, and signatures that are or are not good by it.
type wycheproofGroup struct {
	Comment string          `json:"comment"`
	Key     json.RawMessage `json:"key"`
	Tests   []struct {
		ID      int    `json:"tcId"`
		Comment string `json:"comment"`
		Result  string `json:"result"`
		JWS     string `json:"jws"`
	} `json:"tests"`
}

func readWycheproof(t *testing.T) (groups []wycheproofGroup) {
	t.Helper()
	f, err := os.Open("testdata/wycheproof/json_web_signature.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g wycheproofGroup
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return groups
}

// What Wycheproof calls valid is taken if it is RS256 with a payload; all else is refused: by the key, the form or the
// signature. Nothing of it is an access token, so the layer below Verify is asked too.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	taken := 0
	for _, g := range readWycheproof(t) {
		keys, _, err := parseJWKS(fmt.Appendf(nil, `{"keys":[%s]}`, g.Key))
		if (err == nil) != (len(keys) == 1) {
			t.Fatalf("%s: %d keys, error %v", g.Comment, len(keys), err)
		}
		var key struct{ Alg, Use string }
		if err := json.Unmarshal(g.Key, &key); err != nil {
			t.Fatal(err)
		}
		v, err := New(t.Context(), Config{Issuer: "https://id.example.com", Audience: "api", Keys: staticKeys(keys)})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range g.Tests {
			name := fmt.Sprintf("%s, tcId %d, %s", g.Comment, tt.ID, tt.Comment)
			want := key.Alg == "RS256" && tt.Result == "valid" && tt.Comment != "emptyPayload" // J-18
			if got := wycheproofHolds(v, tt.JWS); got != want {
				t.Errorf("%s: accepted %t, want %t", name, got, want)
			} else if got {
				taken++
			}
			if _, err := v.Verify(t.Context(), tt.JWS); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got error %v, want ErrInvalid", name, err)
			}
		}
	}
	if taken != 7 {
		t.Errorf("%d vectors accepted, want 7", taken)
	}
}

// wycheproofHolds asks what Verify asks before it looks at typ and claims.
func wycheproofHolds(v *Verifier, raw string) bool {
	c, err := oauth.ParseCompact(raw)
	if err != nil {
		return false
	}
	key, refusal := v.key(context.Background(), c.Kid)
	return refusal == nil && c.VerifyRS256(key) == nil
}
