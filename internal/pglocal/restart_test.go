package pglocal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestRestart goes through what may lie between two starts, on one cluster.
func TestRestart(t *testing.T) {
	t.Parallel()
	cfg := config(dirFor(t, 0o755))
	s := open(t, cfg)
	store(t, s)
	for _, between := range []struct {
		name string
		do   func(*testing.T, *Server)
	}{
		{"an orderly stop", orderly},
		{"kill -9 of PostgreSQL, whose backends linger", killPostmaster},
		{"a process id in postmaster.pid that another program has got", reusePID},
		{"a first start that was killed before postgres.json had its name", unnameState},
		{"a log that has grown", growLog},
	} {
		survives := t.Run("data survives "+between.name, func(t *testing.T) {
			between.do(t, s)
			var err error
			if s, err = Start(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			stored(t, s)
		})
		if !survives {
			t.FailNow()
		}
	}
	stop(t, s)
	t.Run("a moved data directory is the same", func(t *testing.T) { movedDataDir(t, cfg.DataDir) })
	t.Run("lost postgres.json is no reason to lose the cluster", func(t *testing.T) { lostState(t, cfg) })
	t.Run("lost cluster is no reason to begin silently with an empty one", func(t *testing.T) { lostCluster(t, cfg) })
}

func orderly(t *testing.T, s *Server) {
	pm := s.running
	stop(t, s)
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if pm.alive() || exists(pm.pid) {
		t.Error("the server runs after Stop")
	}
	if _, err := os.Lstat(s.conn.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket folder after Stop: %v", err)
	}
}

func killPostmaster(t *testing.T, s *Server) {
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	busy := make(chan error)
	go func() { // looks for the end of its postmaster rarely
		_, err := conn.Exec(t.Context(), "select count(*) from generate_series(1, 3000000)")
		busy <- err
	}()
	if err := syscall.Kill(s.running.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, s.running)
	stop(t, s)
	t.Cleanup(func() { <-busy })
}

// reusePID leaves what a crash of the machine leaves, with a process of the
// server's user under the old process id.
func reusePID(t *testing.T, s *Server) {
	st, err := readState(filepath.Dir(s.running.cluster))
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	a, err := accountFor(st.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	other := a.command(t.Context(), "/bin/sh", "-c", "exec sleep 600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endProcess(other) })
	if err := a.mkdir(st.Socket); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(other.Process.Pid)
	rest := fmt.Sprintf("\n%s\n1700000000\n5432\n%s\n\n   123456    789\nready   \n", st.Cluster, st.Socket)
	for _, name := range []string{st.Cluster + "/postmaster.pid", st.Socket + "/.s.PGSQL.5432.lock", st.Socket + "/.s.PGSQL.5432"} {
		if err := os.WriteFile(name, []byte(pid+rest), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.own(name); err != nil {
			t.Fatal(err)
		}
	}
}

func endProcess(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func unnameState(t *testing.T, s *Server) {
	dir := filepath.Dir(s.running.cluster)
	stop(t, s)
	if err := os.Rename(filepath.Join(dir, stateFile), filepath.Join(dir, pendingFile)); err != nil {
		t.Fatal(err)
	}
}

func growLog(t *testing.T, s *Server) {
	path := filepath.Join(filepath.Dir(s.running.cluster), "postgres.log")
	stop(t, s)
	if err := os.Truncate(path, maxLog+1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if fi, err := os.Stat(path); err != nil || fi.Size() > maxLog {
			t.Errorf("log was not put aside: %v", err)
		}
	})
}

func movedDataDir(t *testing.T, dir string) {
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Rename(moved, dir); err != nil {
			t.Error(err)
		}
	}()
	s := start(t, config(moved))
	stored(t, s)
	stop(t, s)
}

func lostState(t *testing.T, cfg Config) {
	path := filepath.Join(cfg.DataDir, stateFile)
	if err := os.Rename(path, path+".lost"); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, cfg, "has lost "+path)
	if err := os.Rename(path+".lost", path); err != nil {
		t.Fatal(err)
	}
}

func lostCluster(t *testing.T, cfg Config) {
	if err := os.RemoveAll(filepath.Join(cfg.DataDir, "postgres")); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, cfg, "is gone: restore it")
}

func refusedWith(t *testing.T, cfg Config, text string) {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err == nil {
		stop(t, s)
		t.Fatal("started")
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q, want one with %q", err, text)
	}
}

func TestAfterKillOfTheProgram(t *testing.T) {
	t.Parallel()
	cfg := config(dirFor(t, 0o755))
	cfg.UnsafeNoSync = false
	t.Run("in the middle of initdb the next start makes the cluster", func(t *testing.T) { killInitdb(t, cfg) })
	t.Run("the next start adopts the postmaster", func(t *testing.T) { adopts(t, cfg) })
	t.Run("the next start with other settings starts it anew", func(t *testing.T) { startsAnew(t, cfg) })
	t.Run("a server without sync, for tests, ends by itself", func(t *testing.T) { endsByItself(t, cfg) })
}

func killInitdb(t *testing.T, cfg Config) {
	h := runHelper(t, cfg.DataDir)
	for len(unfinishedIn(t, cfg.DataDir)) == 0 {
		if err := pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.kill()
	s := start(t, cfg)
	if left := unfinishedIn(t, cfg.DataDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if got := query(t, s, "select concat_ws(' ', current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'))"); got != "on on on" {
		t.Errorf("durability %q", got)
	}
	store(t, s)
	stop(t, s)
}

func unfinishedIn(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "postgres"+unfinished+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// orphan returns the postmaster of a helper which was killed.
func orphan(t *testing.T, cfg Config, env ...string) *postmaster {
	t.Helper()
	h := runHelper(t, cfg.DataDir, env...)
	h.ready(t)
	_, err := Start(t.Context(), cfg)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != h.cmd.Process.Pid {
		t.Errorf("beside the helper: error %v, want *InUseError with pid %d", err, h.cmd.Process.Pid)
	}
	pm := findPostmaster(filepath.Join(cfg.DataDir, "postgres"))
	if pm == nil {
		t.Fatal("no postmaster")
	}
	h.kill()
	return pm
}

func adopts(t *testing.T, cfg Config) {
	pm := orphan(t, cfg)
	s := start(t, cfg)
	if s.running.pid != pm.pid {
		t.Errorf("postmaster %d, want the running one, %d", s.running.pid, pm.pid)
	}
	stored(t, s)
	stop(t, s)
	if pm.alive() {
		t.Error("an adopted server runs after Stop")
	}
}

func startsAnew(t *testing.T, cfg Config) {
	pm := orphan(t, cfg)
	cfg.UnsafeNoSync = true
	s := start(t, cfg)
	if s.running.pid == pm.pid || query(t, s, "show fsync") != "off" {
		t.Error("a server with other settings was adopted")
	}
	stored(t, s)
	stop(t, s)
}

func endsByItself(t *testing.T, cfg Config) {
	gone(t, orphan(t, cfg, helperNoSync+"=1"))
	stop(t, start(t, cfg)) // removes the socket folder
}
