package rs_test

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// issuer is one whose clock stands at start.
type issuer struct{ *authdtest.Issuer }

func newIssuer(t testing.TB, path string) issuer {
	t.Helper()
	return issuer{authdtest.New(t, authdtest.At(start), authdtest.Path(path), authdtest.Defaults(authdtest.Audience(testAudience)))}
}

// config goes by the issuer's clock, and has a log in place of slog.Default.
func (i issuer) config() (rs.Config, *logBuffer) {
	log := new(logBuffer)
	return rs.Config{
		Issuer: i.URL, Audience: i.Audience, Now: i.Now, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

// publish serves a JWK set of raw keys.
func (i issuer) publish(keys ...string) { i.BrokenJWKS(set(keys...)) }

func (i issuer) describe(metadata string) { i.Answer(authdtest.MetadataPath, http.StatusOK, metadata) }

// fetches is how often the keys were asked for.
func (i issuer) fetches() int { return i.Requests(authdtest.JWKSPath) }

// set is a JWK set of raw keys.
func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// jwk builds a key from raw strings, with further members behind the usual ones.
func jwk(kid string, key *rsa.PrivateKey, more ...string) string {
	return rawJWK(kid, key.N, key.E, more...)
}

func rawJWK(kid string, n *big.Int, e int, more ...string) string {
	s := fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q`, kid, base64url(n.Bytes()), base64url(big.NewInt(int64(e)).Bytes()))
	for _, m := range more {
		s += "," + m
	}
	return s + "}"
}

// logBuffer is an io.Writer for many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
