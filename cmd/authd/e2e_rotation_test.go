package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/dbtest"
)

// racers is how many processes rotate at once.
const racers = 12

// K-08, F-23: of many processes that find a rotation due, one makes the step in each ring.
// Who comes too late finds the new key too young.
func TestRacingRotationsThatAreDue(t *testing.T) {
	t.Parallel()
	c := newKeyCluster(t)
	before := c.wantKeys(t, 2)

	race := c.race(t, "keys", "rotate", "--json")

	race.wantOneStep(t, c, before)
}

// K-08, F-23: the same with --force, where the announced keys are too young. All are made
// to see the same keys: somebody holds the row that the step begins with until all wait
// for it.
func TestRacingRotationsByForce(t *testing.T) {
	t.Parallel()
	c := newKeyCluster(t)
	c.rotate(t)
	before := c.wantKeys(t, 3)
	access, refresh := holdKey(t, c.pool, before["access"][1].KID), holdKey(t, c.pool, before["refresh"][1].KID)

	race := c.race(t, "keys", "rotate", "--force", "--json")
	access.release(t, racers)
	refresh.release(t, racers)

	race.wantOneStep(t, c, before)
	if len(race.outcomes(t)) != racers {
		t.Error("somebody was refused, though all had --force")
	}
}

// F-24: a rotation that was held up between its reading and its step, while somebody else
// made one, makes none, even by force. It reports what has happened.
func TestRotationThatOverslept(t *testing.T) {
	t.Parallel()
	c := newKeyCluster(t)
	w := newWire(t, c.pool.Config().ConnString(), cut{at: 1})
	late := c.with("AUTHD_DATABASE_URL="+w.url, "AUTHD_KEY_POLL=15s").launchCommand(t, "", "keys", "rotate", "--force", "--json")
	w.awaitCut(t, late)

	made := c.rotate(t).Access
	w.mend()
	late.await(t)

	if status := late.cmd.ProcessState.ExitCode(); status != 0 {
		t.Fatalf("exit status %d\n%s", status, late.stderr.String())
	}
	var reported rotation
	late.readJSON(t, &reported)
	if diff := cmp.Diff(made, reported.Access); diff != "" {
		t.Errorf("-made +reported\n%s", diff)
	}
	keys := c.rings(t)["access"]
	if err := keys.fault(); err != nil || len(keys) != 3 {
		t.Errorf("%d keys, want 3; %v", len(keys), err)
	}
}

// race is processes that run at the same time.
type race []*command

func (c keyCluster) race(t *testing.T, args ...string) race {
	t.Helper()
	r := make(race, racers)
	for i := range r {
		r[i] = c.launchCommand(t, "", args...)
	}
	return r
}

// outcomes returns what those printed that were not refused. Being too late is no failure.
func (r race) outcomes(t *testing.T) (all []rotation) {
	t.Helper()
	for i, p := range r {
		p.await(t)
		var refused struct{ Error string }
		var out rotation
		switch status := p.cmd.ProcessState.ExitCode(); {
		case status == 0 && json.Unmarshal([]byte(p.stdout.String()), &out) == nil:
			all = append(all, out)
		case status == exitRefused && json.Unmarshal(lastLine(p.stderr.String()), &refused) == nil && refused.Error == "key_too_young":
		default:
			t.Errorf("process %d: exit status %d\n%s%s", i, status, p.stdout.String(), p.stderr.String())
		}
	}
	return all
}

// wantOneStep also wants every outcome that was reported to be that of the step.
func (r race) wantOneStep(t *testing.T, c keyCluster, before map[string]ringKeys) {
	t.Helper()
	reported := r.outcomes(t)
	n := len(before["access"])
	rings := c.wantKeys(t, n+1)
	for _, ring := range ringNames {
		after := rings[ring].kids()
		if diff := cmp.Diff(before[ring].kids(), after[:n]); diff != "" {
			t.Errorf("ring %s: %s", ring, diff)
		}
		want := ringRotation{Previous: after[n-2], Signing: after[n-1], Announced: after[n]}
		for _, got := range reported {
			if diff := cmp.Diff(want, got.of(ring)); diff != "" {
				t.Errorf("ring %s: -made +reported\n%s", ring, diff)
			}
		}
	}
}

// lastLine is the error: a warning about the test server's settings may stand before it.
func lastLine(s string) []byte {
	lines := bytes.Split(bytes.TrimSpace([]byte(s)), []byte("\n"))
	return lines[len(lines)-1]
}

// held is a lock in a transaction that stays open.
type held struct {
	tx   pgx.Tx
	pool *pgxpool.Pool
}

// hold takes a lock by a statement.
func hold(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) held {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
	return held{tx, pool}
}

func holdKey(t *testing.T, pool *pgxpool.Pool, kid string) held {
	t.Helper()
	return hold(t, pool, `select from authd.signing_keys where kid = $1 for update`, kid)
}

// Of those that wait for one row, all but the first wait for the first.
const blockedBy = `
select count(*) from pg_stat_activity a
where a.datname = current_database() and $1 in (
  with recursive blockers (pid) as (
    select unnest(pg_blocking_pids(a.pid))
    union select unnest(pg_blocking_pids(blockers.pid)) from blockers)
  select pid from blockers)`

// release lets go when n connections wait for it.
func (h held) release(t *testing.T, n int) {
	t.Helper()
	holder := h.tx.Conn().PgConn().PID()
	waitFor(t, "processes that wait for the lock", func() bool {
		var waiting int
		if err := h.pool.QueryRow(t.Context(), blockedBy, holder).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting == n
	})
	h.rollback(t)
}

func (h held) rollback(t *testing.T) {
	t.Helper()
	if err := h.tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Of servers that start at once on a database without keys, one makes each ring; when the
// keys are due, one makes the step. All sign with the same keys. Somebody holds the table
// until each has keys to insert.
func TestServersMakeAndRotateEachRingOnce(t *testing.T) {
	t.Parallel()
	c := openKeyCluster(t, dbtest.URL(t))
	orders := c.createClient(t, "orders", "--scope", "read")
	table := hold(t, c.pool, `lock table authd.signing_keys in share mode`)
	servers := make([]*command, 4)
	for i := range servers {
		servers[i] = c.launchCommand(t, "", "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	}

	table.release(t, len(servers))

	addresses := make([]string, len(servers))
	for i, p := range servers {
		addresses[i] = p.listensOn(t)
	}
	made := c.wantKeys(t, 2)["access"].kids()
	wantSigning(t, addresses, orders, made[0])

	if _, err := c.pool.Exec(t.Context(), `update authd.signing_keys set rotate_after = authd.clock() where signs_from is not null`); err != nil {
		t.Fatal(err)
	}

	wantSigning(t, addresses, orders, made[1])
	waitFor(t, "a step of the other ring", func() bool { return len(c.rings(t)["refresh"]) > 2 })
	now := c.wantKeys(t, 3)["access"].kids()
	slices.Sort(now)
	for i, address := range addresses {
		shown := published(t, address)
		slices.Sort(shown)
		if diff := cmp.Diff(now, shown); diff != "" {
			t.Errorf("server %d: -stored +published\n%s", i, diff)
		}
	}
}

// wantSigning waits until all servers sign with a key.
func wantSigning(t *testing.T, addresses []string, as client, kid string) {
	t.Helper()
	for i, address := range addresses {
		waitFor(t, fmt.Sprintf("a token of server %d by key %s", i, kid), func() bool { return kidOf(t, issue(t, "http://"+address, as)) == kid })
	}
}

var readyLine = regexp.MustCompile(`msg="authd is ready".* listen=(\S+)`)

// listensOn reads from the log of a server which port it was given.
func (p *command) listensOn(t *testing.T) (address string) {
	t.Helper()
	waitFor(t, "a server that is ready", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("the server ended; its log:\n%s", p.stderr.String())
		default:
		}
		found := readyLine.FindStringSubmatch(p.stderr.String())
		if found != nil {
			address = found[1]
		}
		return found != nil
	})
	return address
}
