package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/keys/keystest"
)

var ringNames = []string{"access", "refresh"}

// keyCluster is a database and what its processes are given. A test starts those itself.
type keyCluster struct {
	*cluster
	pool *pgxpool.Pool
}

// newKeyCluster is on a database whose rings are made.
func newKeyCluster(t *testing.T) keyCluster {
	t.Helper()
	return openKeyCluster(t, keystest.URL(t))
}

func openKeyCluster(t *testing.T, url string) keyCluster {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return keyCluster{&cluster{env: append(os.Environ(),
		"GORACE=atexit_sleep_ms=0", // the race detector would let each command sleep a second at its end
		"AUTHD_DATABASE_URL="+url, "AUTHD_KEK="+keystest.KEK, "AUTHD_ACCOUNTS=true", "AUTHD_KEY_POLL=200ms")}, pool}
}

// with is the same database for processes with other settings.
func (c keyCluster) with(settings ...string) keyCluster {
	return keyCluster{&cluster{env: append(c.env[:len(c.env):len(c.env)], settings...)}, c.pool}
}

// command is a process of authd that ends by itself, unless it is killed.
type command struct {
	cmd            *exec.Cmd
	stdout, stderr syncBuffer
	ended          chan struct{} // closed when the process has
}

func (c *cluster) launchCommand(t *testing.T, input string, args ...string) *command {
	t.Helper()
	p := &command{cmd: exec.Command("authd", args...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = c.env, strings.NewReader(input), &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the status is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() { p.kill(t) })
	return p
}

// kill is by SIGKILL; on a process that has ended it does nothing.
func (p *command) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill() // it has ended already
	p.await(t)
}

func (p *command) await(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("authd %s did not end", strings.Join(p.cmd.Args[1:], " "))
	}
	if strings.Contains(p.stderr.String(), "DATA RACE") {
		t.Errorf("authd %s: %s", strings.Join(p.cmd.Args[1:], " "), p.stderr.String())
	}
}

func (p *command) readJSON(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.stdout.String()), into); err != nil {
		t.Fatalf("authd %s printed no JSON: %v\n%s", strings.Join(p.cmd.Args[1:], " "), err, p.stderr.String())
	}
}

// listedKey is a key as `authd keys list --json` prints it.
type listedKey struct {
	KID        string     `json:"kid"`
	Ring       string     `json:"ring"`
	Seq        int        `json:"seq"`
	State      string     `json:"state"`
	SignsFrom  *time.Time `json:"signs_from"`
	SignsUntil *time.Time `json:"signs_until"`
}

// ringKeys are the keys of one ring, oldest first.
type ringKeys []listedKey

// rings reads the keys of both.
func (c *cluster) rings(t *testing.T) map[string]ringKeys {
	t.Helper()
	var all []listedKey
	c.authd(t, &all, "", "keys", "list")
	rings := make(map[string]ringKeys)
	for _, k := range all {
		rings[k.Ring] = append(rings[k.Ring], k)
	}
	return rings
}

func (keys ringKeys) kids() (kids []string) {
	for _, k := range keys {
		kids = append(kids, k.KID)
	}
	return kids
}

// fault says what is wrong with a ring: its last key must be announced, the one before it
// sign, and each older one have retired when its successor began to sign.
func (keys ringKeys) fault() error {
	if len(keys) < 2 {
		return fmt.Errorf("%d keys, want a signing and an announced one", len(keys))
	}
	for i, k := range keys {
		want := "retired"
		switch len(keys) - i {
		case 1:
			want = "announced"
		case 2:
			want = "signing"
		}
		if k.Seq != i+1 || k.State != want {
			return fmt.Errorf("key %d of %d has seq %d and is %s, want seq %d and %s", i+1, len(keys), k.Seq, k.State, i+1, want)
		}
		if want == "retired" && !k.SignsUntil.Equal(*keys[i+1].SignsFrom) {
			return fmt.Errorf("key %d stopped signing at %s, but the next began at %s", i+1, k.SignsUntil, keys[i+1].SignsFrom)
		}
	}
	return nil
}

// wantKeys reads both rings, which must be in order and have n keys each.
func (c *cluster) wantKeys(t *testing.T, n int) map[string]ringKeys {
	t.Helper()
	rings := c.rings(t)
	for _, name := range ringNames {
		if err := rings[name].fault(); err != nil {
			t.Fatalf("ring %s: %v", name, err)
		}
		if len(rings[name]) != n {
			t.Fatalf("ring %s has %d keys, want %d", name, len(rings[name]), n)
		}
	}
	return rings
}

// ringRotation is what `authd keys rotate --json` prints of one ring.
type ringRotation struct{ Previous, Signing, Announced string }

// rotation is what it prints.
type rotation struct{ Access, Refresh ringRotation }

func (r rotation) of(ring string) ringRotation {
	return map[string]ringRotation{"access": r.Access, "refresh": r.Refresh}[ring]
}

func (c *cluster) rotate(t *testing.T) (r rotation) {
	t.Helper()
	c.authd(t, &r, "", "keys", "rotate", "--force")
	return r
}

// age makes the announced keys old enough to sign.
func (c keyCluster) age(t *testing.T) {
	t.Helper()
	_, err := c.pool.Exec(t.Context(), `update authd.signing_keys set announced_at = announced_at - interval '1 day' where signs_from is null`)
	if err != nil {
		t.Fatal(err)
	}
}

// published is what stands in the JWKS of a server.
func published(t *testing.T, address string) (kids []string) {
	t.Helper()
	status, body, err := request(http.MethodGet, "http://"+address+"/.well-known/jwks.json", "", nil)
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		}
	}
	if err := errors.Join(err, json.Unmarshal([]byte(body), &set)); err != nil || status != http.StatusOK {
		t.Fatalf("JWKS: status %d, %v", status, err)
	}
	for _, k := range set.Keys {
		kids = append(kids, k.KID)
	}
	return kids
}
