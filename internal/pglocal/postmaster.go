package pglocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// fastShutdown bounds the orderly end, with its checkpoint; after it an
	// immediate shutdown, which loses nothing but makes the next start recover.
	fastShutdown      = 60 * time.Second
	immediateShutdown = 10 * time.Second
)

// postmaster is the first process of a running PostgreSQL.
type postmaster struct {
	pid     int
	cluster string
	exited  <-chan struct{} // closed when our child was waited for; nil when adopted
	untie   func()          // ends what tie began; nil where it did not
}

// watch waits for our child, so that none is left as a zombie.
func watch(cmd *exec.Cmd, log *slog.Logger, cluster string) *postmaster {
	exited := make(chan struct{})
	pid := cmd.Process.Pid
	go func() {
		defer close(exited)
		if err := cmd.Wait(); err != nil {
			log.Error("the private PostgreSQL ended", "pid", pid, "error", err)
		}
	}()
	return &postmaster{pid: pid, cluster: cluster, exited: exited}
}

// findPostmaster returns nil where no postmaster runs on the cluster.
func findPostmaster(cluster string) *postmaster {
	lines := pidFile(cluster)
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 1 {
		return nil
	}
	pm := &postmaster{pid: pid, cluster: cluster}
	if !pm.alive() {
		return nil
	}
	return pm
}

// pidFile returns the lines of postmaster.pid, at least one: process id, data
// directory, start time, port, socket folder, address, shared memory, status.
func pidFile(cluster string) []string {
	b, err := os.ReadFile(filepath.Join(cluster, "postmaster.pid"))
	if err != nil {
		return []string{""}
	}
	return pidLines(b)
}

func pidLines(b []byte) []string {
	lines := strings.Split(string(b), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

// alive reports whether the process is there and is a postmaster of the cluster,
// not another program under a process id that was used again, nor a zombie.
func (p *postmaster) alive() bool {
	if p.exited != nil {
		select {
		case <-p.exited:
			return false
		default:
			return true
		}
	}
	return strings.Contains(commandLine(p.pid), " -D "+p.cluster+" -k ")
}

// commandLine has one space between arguments, and is empty where there is no
// such process, or only its zombie.
func commandLine(pid int) string {
	if isFile("/proc/self/cmdline") {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // fails when it is gone
		return strings.ReplaceAll(string(b), "\x00", " ")
	}
	out, _ := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return string(out)
}

// ready waits until the postmaster says that it accepts connections, as long as
// it lives and ctx lasts: recovery after a crash takes what it takes.
func (p *postmaster) ready(ctx context.Context) error {
	for {
		lines := pidFile(p.cluster)
		if len(lines) > 7 && lines[0] == strconv.Itoa(p.pid) && lines[7] == "ready" {
			return nil
		}
		if !p.alive() {
			return errors.New("PostgreSQL ended while it started")
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("waiting for PostgreSQL to be ready: %w", err)
		}
	}
}

// stop returns when the postmaster is gone.
func (p *postmaster) stop() error {
	if p.untie != nil {
		defer p.untie()
	}
	if p.end(syscall.SIGINT, fastShutdown) || p.end(syscall.SIGQUIT, immediateShutdown) {
		return nil
	}
	return fmt.Errorf("PostgreSQL (pid %d) does not end", p.pid)
}

func (p *postmaster) end(sig syscall.Signal, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if p.alive() {
		_ = syscall.Kill(p.pid, sig) // fails when it is gone by now, which the loop sees
	}
	for p.alive() {
		if pause(ctx) != nil {
			return false
		}
	}
	return true
}
