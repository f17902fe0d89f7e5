package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/openssl"
)

// The servers of a run are this program again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		exit(serveChild(os.Args[2:]))
	}
	dbtest.Main(m)
}

// Whatever the rates: each operation succeeds, and the database confirms what was counted.
func TestRunMeasuresEveryOperation(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer

	err := run(t.Context(), &out, options{
		duration: 50 * time.Millisecond, conns: 3, databaseURL: dbtest.AdminURL(t), only: regexp.MustCompile(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "signatures by "+signerName()+"; ") {
		t.Errorf("the header does not begin with the signer:\n%s", &out)
	}
	for _, name := range []string{"client_credentials", "refresh", "introspection", "revocation", "JWKS", "WAL of a refresh"} {
		if !strings.Contains(out.String(), "\n"+name+" ") {
			t.Errorf("%s is not reported:\n%s", name, &out)
		}
	}
}

// A limit of crypto/rsa would be none for a server that signs with OpenSSL.
func TestLimitsSignAsTheBuildDoes(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	s, err := newSigner(key)
	if err != nil {
		t.Fatal(err)
	}

	if _, pure := s.(*rsa.PrivateKey); pure == openssl.Enabled || strings.Contains(signerName(), "OpenSSL") != openssl.Enabled {
		t.Errorf("with OpenSSL: %v; got %T, called %s", openssl.Enabled, s, signerName())
	}
	if got, err := signature(s); err != nil || len(got) != base64.RawURLEncoding.EncodedLen(key.Size()) {
		t.Errorf("signature of %d characters, %v", len(got), err)
	}
}

func TestConnRefusesWhatIsNoSuccess(t *testing.T) {
	t.Parallel()
	b, err := bareHandler()
	if err != nil {
		t.Fatal(err)
	}
	c := serveOn(t, b)

	body, err := c.do(get("/fixed"))
	if err != nil || len(body) != jwksSize {
		t.Errorf("fixed reply: %d bytes, %v", len(body), err)
	}
	if _, err := c.do(get("/nothing")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want the 404", err)
	}
	if body, err := c.do(get("/fixed")); err != nil || len(body) != jwksSize {
		t.Errorf("after a refusal: %d bytes, %v", len(body), err)
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	answer := []byte(`{"access_token":"a.b.c","refresh_token":"d"}`)
	if got, err := member(answer, "refresh_token"); err != nil || got != "d" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := member(answer, "token"); err == nil {
		t.Errorf("got %q for a member that is not there", got)
	}
}

func serveOn(t *testing.T, h http.Handler) *conn {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := dial(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
