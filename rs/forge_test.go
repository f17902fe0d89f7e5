package rs_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testIssuer   = "https://id.example.com"
	testAudience = "https://api.example.com"
	goodHeader   = `{"alg":"RS256","kid":"k-at","typ":"at+jwt"}`
)

// start is when the fake clocks stand and the forged tokens were issued.
var start = time.Unix(1_700_000_000, 0)

// keyAT signs for the issuer, keyNew will after a rotation, keyEvil is somebody else's.
func keyAT() *rsa.PrivateKey   { return authdtest.Key(0) }
func keyNew() *rsa.PrivateKey  { return authdtest.Key(1) }
func keyEvil() *rsa.PrivateKey { return authdtest.Key(2) }

var base64url = base64.RawURLEncoding.EncodeToString

// forge signs whatever it is given: a library would refuse to make most of what is tested here.
func forge(header, payload string, key *rsa.PrivateKey) string {
	return authdtest.Sign(header, payload, key)
}

// edit maps claims to raw JSON in place of what a good token says; "" takes the claim out.
type edit map[string]string

func (e edit) payload() string {
	members := map[string]string{
		"iss": `"` + testIssuer + `"`, "aud": `"` + testAudience + `"`,
		"sub": `"usr_1"`, "client_id": `"shop"`, "jti": `"j-1"`, "sid": `"f-1"`, "scope": `"read write"`,
		"iat": "1700000000", "nbf": "1700000000", "exp": "1700000600", "auth_time": "1699999000",
		"fresh": "true", "type": `"access"`,
	}
	maps.Copy(members, e)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] != "" {
			fmt.Fprintf(&b, ",%q:%s", name, members[name])
		}
	}
	return "{" + b.String()[1:] + "}"
}

func (e edit) token() string { return forge(goodHeader, e.payload(), keyAT()) }

// staticKeys is a KeySource without a network.
type staticKeys map[string]crypto.PublicKey

func (s staticKeys) PublicKey(_ context.Context, kid string) (crypto.PublicKey, error) {
	return s[kid], nil
}

// clock is a fake time.Now; its zero value stands at start.
type clock struct{ passed atomic.Int64 }

func (c *clock) Now() time.Time           { return start.Add(time.Duration(c.passed.Load())) }
func (c *clock) Advance(by time.Duration) { c.passed.Add(int64(by)) }

func newVerifier(t testing.TB, cfg rs.Config) *rs.Verifier {
	t.Helper()
	v, err := rs.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// offline configures a verifier that knows keyAT and stands at start.
func offline() rs.Config {
	return rs.Config{
		Issuer: testIssuer, Audience: testAudience, Now: new(clock).Now,
		Keys: staticKeys{"k-at": keyAT().Public()},
	}
}
