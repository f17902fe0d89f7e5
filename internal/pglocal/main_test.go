package pglocal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// These make the test binary a program which holds a private PostgreSQL on a
// directory until its standard input ends or it is killed.
const (
	helperDir    = "PGLOCAL_TEST_HELPER_DIR"
	helperNoSync = "PGLOCAL_TEST_HELPER_NO_SYNC"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(hold(dir))
	}
	goleak.VerifyTestMain(m)
}

func hold(dir string) int {
	s, err := Start(context.Background(), Config{DataDir: dir, Logger: quiet(), UnsafeNoSync: os.Getenv(helperNoSync) != ""})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(); err != nil {
		return 1
	}
	return 0
}

// helper is that program; it is killed with the test.
type helper struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func runHelper(t *testing.T, dir string, env ...string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), helperDir+"="+dir), env...)
	if _, err := cmd.StdinPipe(); err != nil { // stays open until the end
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd, bufio.NewReader(out)}
	t.Cleanup(h.kill)
	return h
}

// ready waits until the helper's server accepts connections.
func (h *helper) ready(t *testing.T) {
	t.Helper()
	if line, err := h.out.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
}

func (h *helper) kill() {
	_ = h.cmd.Process.Kill() // fails when it was killed before
	_ = h.cmd.Wait()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(dir string) Config {
	return Config{DataDir: dir, Logger: quiet(), UnsafeNoSync: true}
}

// dirFor makes a folder of this mode directly under /tmp, which everybody can reach.
func dirFor(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pglocal-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	return stopped(t, s, err)
}

func open(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	return stopped(t, s, err)
}

func stopped(t *testing.T, s *Server, err error) *Server {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// query returns the one text value of a statement.
func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// store leaves a row that stored finds in the same cluster.
func store(t *testing.T, s *Server) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "create table kept as select 'kept'::text as v"); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, s *Server) {
	t.Helper()
	if v := query(t, s, "select v from kept"); v != "kept" {
		t.Errorf("v = %q", v)
	}
}

// gone waits until the postmaster has ended.
func gone(t *testing.T, pm *postmaster) {
	t.Helper()
	for pm.alive() {
		if err := pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
