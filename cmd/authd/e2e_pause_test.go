package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// snapshotCap is that of these tests' replicas.
const snapshotCap = 2 * time.Second

// F-22: a replica that was stopped for longer than its snapshot may be old never signs
// with the key that it remembers: it says 503, or reads first. It comes back by itself.
func TestReplicaWakesFromAPause(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		readable bool // otherwise somebody holds the table of keys when it wakes, and it cannot read
	}{
		{"to keys that it can read", true},
		{"to keys that it cannot read", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newKeyCluster(t).with("AUTHD_KEY_SNAPSHOT_CAP=" + snapshotCap.String())
			orders := c.createClient(t, "orders", "--scope", "read")
			r := c.start(t)
			r.awaitToken(t, orders)
			stopped := time.Now()
			if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			c.rotate(t)
			signing := c.rotate(t).Access.Signing // the key that it remembers as announced has retired too
			waitFor(t, "a snapshot that is too old", func() bool { return time.Since(stopped) > snapshotCap+time.Second })
			release := func(*testing.T) {}
			if !tt.readable {
				release = hold(t, c.pool, `lock table authd.signing_keys`).rollback
			}

			answers := r.wake(t, orders)

			for i, conn := range answers {
				if status, err := wantCurrent(conn, signing); err != nil || status == http.StatusOK && !tt.readable {
					t.Errorf("request %d after the pause: status %d, %v", i+1, status, err)
				}
			}
			release(t)
			if !r.awaitReady(t) {
				t.Fatalf("the replica ended; its log:\n%s", r.log.String())
			}
			if kid := r.awaitToken(t, orders); kid != signing {
				t.Errorf("the replica signs with %s, want %s", kid, signing)
			}
		})
	}
}

// wake lets a stopped replica go on that has requests waiting, and returns where their
// answers will come.
func (r *replica) wake(t *testing.T, as client) []net.Conn {
	t.Helper()
	waiting := make([]net.Conn, 8)
	for i := range waiting {
		waiting[i] = askForToken(t, r.public, as)
	}
	if err := r.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	return waiting
}

// awaitToken returns the kid of the first token that it gets. On a machine that is busy a
// short cap may be passed at any time, for a moment.
func (r *replica) awaitToken(t *testing.T, as client) (kid string) {
	t.Helper()
	waitFor(t, "a token", func() bool {
		a := r.post(t, "/oauth2/token", as, map[string]string{"grant_type": "client_credentials", "scope": "read"})
		if a.status == http.StatusOK {
			kid = kidOf(t, a.Access)
		}
		return a.status == http.StatusOK
	})
	return kid
}

// askForToken sends a token request and does not wait for the answer.
func askForToken(t *testing.T, address string, as client) net.Conn {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+address+"/oauth2/token", strings.NewReader("grant_type=client_credentials&scope=read"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(as.ID, as.Secret)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

// wantCurrent reads the answer: a token by the key that signs now, or a refusal.
func wantCurrent(conn net.Conn, signing string) (status int, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return resp.StatusCode, wantRefusal(resp)
	}
	var a tokenAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return resp.StatusCode, err
	}
	header, err := tokenPart(a.Access, 0)
	if err == nil && header.str("kid") != signing {
		err = fmt.Errorf("signed with %s, want %s", header.str("kid"), signing)
	}
	return resp.StatusCode, err
}

// wantRefusal wants clients to be told to come again.
func wantRefusal(resp *http.Response) error {
	var a tokenAnswer
	err := json.NewDecoder(resp.Body).Decode(&a)
	if err != nil || a.Error != "temporarily_unavailable" || resp.Header.Get("Retry-After") == "" {
		return fmt.Errorf("status %d, error %q, Retry-After %q, %v", resp.StatusCode, a.Error, resp.Header.Get("Retry-After"), err)
	}
	return nil
}

// F-26: a replica whose database is away stops signing once its snapshot is too old, and
// says that keys are why. What needs no database goes on. It comes back by itself.
func TestReplicaWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	c := newKeyCluster(t)
	orders := c.createClient(t, "orders", "--scope", "read")
	w := newWire(t, c.pool.Config().ConnString(), cut{})
	r := c.with("AUTHD_DATABASE_URL="+w.url, "AUTHD_KEY_SNAPSHOT_CAP="+snapshotCap.String()).start(t)
	before := r.awaitToken(t, orders)

	w.pause()

	waitFor(t, "a replica that is not ready because of its keys", func() bool { return slices.Contains(r.failing(t), "keys") })
	conn := askForToken(t, r.public, orders)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := wantRefusal(resp); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("token request: status %d, %v", resp.StatusCode, err)
	}
	if kids := published(t, r.public); !slices.Contains(kids, before) {
		t.Errorf("published is %v, want %s among them", kids, before)
	}
	status, _, err := request(http.MethodGet, "http://"+r.public+"/.well-known/oauth-authorization-server", "", nil)
	if err != nil || status != http.StatusOK {
		t.Errorf("metadata: status %d, %v", status, err)
	}

	w.resume()

	if !r.awaitReady(t) {
		t.Fatalf("the replica ended; its log:\n%s", r.log.String())
	}
	if after := r.awaitToken(t, orders); after != before {
		t.Errorf("signs with %s, want %s", after, before)
	}
}

// failing lists what /readyz complains about.
func (r *replica) failing(t *testing.T) []string {
	t.Helper()
	status, body, err := request(http.MethodGet, "http://"+r.ops+"/readyz", "", nil)
	var health struct{ Failed []string }
	if err = errors.Join(err, json.Unmarshal([]byte(body), &health)); err != nil {
		t.Fatalf("readyz: status %d, %v", status, err)
	}
	if (status == http.StatusServiceUnavailable) != (len(health.Failed) > 0) {
		t.Errorf("readyz: status %d, failed %v", status, health.Failed)
	}
	return health.Failed
}
