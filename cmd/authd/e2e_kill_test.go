package main

import (
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/dbtest/pgwire"
)

// F-25: a rotation dies at each message that it exchanges with the database, from its
// first step on: before the message has left, and after the database has
// acted on it. Each time the rings are whole, and everything goes on from there.
func TestRotationIsKilledAtEachMessage(t *testing.T) {
	t.Parallel()
	k := newKillings(t)
	for at := 1; k.dies(t, cut{at: at}); at++ {
		if k.last.IsAnswered() && !k.dies(t, cut{at: at, answered: true}) {
			t.Fatalf("message %d was never answered", at)
		}
	}

	for _, ring := range ringNames {
		if k.made[ring] == 0 || k.notMade[ring] == 0 {
			t.Errorf("ring %s: of the killed rotations %d had made their step and %d had not, want some of either",
				ring, k.made[ring], k.notMade[ring])
		}
	}
	t.Logf("%d rotations were killed; those that had made their step: %v, not: %v", k.count, k.made, k.notMade)
}

// killings is what has to outlive them.
type killings struct {
	keyCluster
	app           client
	access        []string       // all tokens
	refresh       string         // the newest
	published     []string       // when last seen
	last          pgwire.Message // at which the last rotation died
	count         int
	made, notMade map[string]int // by ring
}

func newKillings(t *testing.T) *killings {
	t.Helper()
	k := &killings{keyCluster: newKeyCluster(t), made: make(map[string]int), notMade: make(map[string]int)}
	k.app = k.createApp(t)
	r := k.start(t)
	signedIn := signIn(t, "http://"+r.public, k.app)
	k.access, k.refresh = []string{signedIn.Access}, signedIn.Refresh
	k.published = published(t, r.public)
	r.signal(t, syscall.SIGKILL)
	return k
}

// dies is false if the rotation ends before it comes to the cut.
func (k *killings) dies(t *testing.T, at cut) bool {
	t.Helper()
	k.age(t)
	before := k.rings(t)
	w := newWire(t, k.pool.Config().ConnString(), at)
	// A single reading of the keys, so that the messages are the same each time.
	doomed := k.with("AUTHD_DATABASE_URL="+w.url, "AUTHD_KEY_POLL=15s").launchCommand(t, "", "keys", "rotate", "--json")
	if !w.awaitCut(t, doomed) {
		return false
	}
	k.last = w.last()
	doomed.kill(t)
	w.close()
	k.settle(t)
	k.count++
	if err := k.check(t, before); err != nil {
		t.Fatalf("killed at %+v, a message of type %q: %v", at, k.last.Kind, err)
	}
	return true
}

// settle waits until the database has ended the sessions of the dead process.
func (k *killings) settle(t *testing.T) {
	t.Helper()
	waitFor(t, "the end of the dead process's sessions", func() bool {
		var sessions int
		err := k.pool.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and application_name = 'wired'`).Scan(&sessions)
		if err != nil {
			t.Fatal(err)
		}
		return sessions == 0
	})
}

// check starts a server on what the dead process left, and rotates.
func (k *killings) check(t *testing.T, before map[string]ringKeys) error {
	t.Helper()
	after := k.rings(t)
	for _, ring := range ringNames {
		if err := k.countStep(ring, before[ring], after[ring]); err != nil {
			return err
		}
	}
	if err := k.diagnose(t); err != nil {
		return err
	}
	if err := k.serve(t, after); err != nil {
		return err
	}
	k.age(t)
	var rotated rotation
	k.authd(t, &rotated, "", "keys", "rotate")
	for _, ring := range ringNames {
		signing, announced := after[ring].current()
		if got := rotated.of(ring); got.Previous != signing || got.Signing != announced {
			return fmt.Errorf("a further rotation of ring %s went from %s to %s, want from %s to %s", ring, got.Previous, got.Signing, signing, announced)
		}
	}
	return nil
}

// current are the kids of the signing and the announced key.
func (keys ringKeys) current() (signing, announced string) {
	return keys[len(keys)-2].KID, keys[len(keys)-1].KID
}

// countStep allows one step, and nothing else.
func (k *killings) countStep(ring string, before, after ringKeys) error {
	if err := after.fault(); err != nil {
		return fmt.Errorf("ring %s: %w", ring, err)
	}
	switch len(after) - len(before) {
	case 0:
		k.notMade[ring]++
	case 1:
		k.made[ring]++
	default:
		return fmt.Errorf("ring %s has %d keys, and had %d", ring, len(after), len(before))
	}
	if diff := cmp.Diff(before.kids(), after.kids()[:len(before)]); diff != "" {
		return fmt.Errorf("ring %s: %s", ring, diff)
	}
	return nil
}

// diagnose wants every private half to open. Other checks may fail: the test server need
// not be durable, and nobody serves the issuer's address.
func (k *killings) diagnose(t *testing.T) error {
	t.Helper()
	var found []struct{ Check, Outcome, Detail string }
	p := k.launchCommand(t, "", "doctor", "--json")
	p.await(t)
	p.readJSON(t, &found)
	for _, f := range found {
		if f.Check == "keys" {
			if f.Outcome != "ok" {
				return fmt.Errorf("doctor: keys: %s", f.Detail)
			}
			return nil
		}
	}
	return fmt.Errorf("doctor does not look at keys: %s", p.stdout.String())
}

// serve lets a server that starts now publish what it should, sign, and accept what was
// signed before.
func (k *killings) serve(t *testing.T, now map[string]ringKeys) error {
	t.Helper()
	r := k.start(t)
	defer r.signal(t, syscall.SIGKILL)
	stored, shown := now["access"].kids(), published(t, r.public) // the oldest retired less than an hour ago
	slices.Sort(stored)
	slices.Sort(shown)
	if diff := cmp.Diff(stored, shown); diff != "" {
		return fmt.Errorf("-stored +published\n%s", diff)
	}
	for _, kid := range k.published {
		if !slices.Contains(shown, kid) {
			return fmt.Errorf("key %s is not published any more", kid)
		}
	}
	k.published = shown
	next := refresh(t, r, k.app, k.refresh)
	if next.status != http.StatusOK {
		return fmt.Errorf("refresh: status %d, error %q", next.status, next.Error)
	}
	k.access, k.refresh = append(k.access, next.Access), next.Refresh
	return k.verify(t, r, now)
}

func (k *killings) verify(t *testing.T, r *replica, now map[string]ringKeys) error {
	t.Helper()
	verify := remoteKeySet(t, r.public)
	for i, token := range k.access {
		if err := verify(token); err != nil {
			return fmt.Errorf("token %d of %d: %w", i+1, len(k.access), err)
		}
	}
	for ring, token := range map[string]string{"access": k.access[len(k.access)-1], "refresh": k.refresh} {
		if signing, _ := now[ring].current(); kidOf(t, token) != signing {
			return fmt.Errorf("ring %s signs with %s, want %s", ring, kidOf(t, token), signing)
		}
	}
	return nil
}
