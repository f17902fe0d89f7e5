package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	// maxLog is the size at which a start puts postgres.log aside.
	maxLog = 1 << 20
)

// postmaster is the first process of a running PostgreSQL.
type postmaster struct {
	pid     int
	cluster string
	exited  <-chan struct{} // closed when our child was waited for; nil when adopted
}

// settings go on the command line, where no file of the cluster overrules them.
// The log has what concerns the server and no statement, because statements
// and their details carry data.
func settings(noSync bool) []string {
	sync := "on"
	if noSync {
		sync = "off"
	}
	var args []string
	for _, s := range []string{
		"listen_addresses=", "port=" + strconv.Itoa(port), "unix_socket_permissions=0700",
		"max_connections=200", "password_encryption=scram-sha-256",
		"timezone=UTC", "log_timezone=UTC",
		"fsync=" + sync, "full_page_writes=" + sync, "synchronous_commit=" + sync,
		"logging_collector=off", "log_min_messages=log", "log_min_error_statement=panic", "log_checkpoints=off",
	} {
		args = append(args, "-c", s)
	}
	return args
}

// run adopts the postmaster of the cluster, or starts one, and returns when it
// is ready. A postmaster which runs with other settings, as after an upgrade of
// authd, is ended first.
func (c cluster) run(ctx context.Context, log *slog.Logger, socket string, noSync bool) (*postmaster, error) {
	args := append([]string{"-D", c.dir, "-k", socket}, settings(noSync)...)
	if pm := findPostmaster(c.dir); pm != nil {
		if hasOptions(c.dir, args) && pm.ready(ctx) == nil {
			log.InfoContext(ctx, "adopted a running PostgreSQL", "pid", pm.pid)
			return pm, nil
		}
		if err := pm.stop(); err != nil {
			return nil, err
		}
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		pm, err := c.start(ctx, log, socket, args)
		if !errors.Is(err, errOrphans) || pause(wait) != nil {
			return pm, err
		}
	}
}

// hasOptions compares with the command line that PostgreSQL wrote down.
func hasOptions(cluster string, args []string) bool {
	b, err := os.ReadFile(filepath.Join(cluster, "postmaster.opts"))
	want := ` "` + strings.Join(args, `" "`) + `"`
	return err == nil && strings.HasSuffix(strings.TrimSpace(string(b)), want)
}

func (c cluster) start(ctx context.Context, log *slog.Logger, socket string, args []string) (*postmaster, error) {
	if err := c.clearStale(socket); err != nil {
		return nil, err
	}
	out, err := openLog(c.logPath)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	before, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	// The server outlives ctx, which is only for the start; Stop ends it.
	cmd := c.account.command(context.Background(), c.bin.path("postgres"), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	pm := watch(cmd, log, c.dir)
	if err := pm.ready(ctx); err != nil {
		return nil, errors.Join(err, pm.stop(), c.complaint(before))
	}
	return pm, nil
}

// errOrphans: backends of a postmaster that was killed end themselves when they
// notice, and PostgreSQL does not start before.
var errOrphans = errors.New("backends of a killed PostgreSQL are still running")

// complaint is what the log says from an offset on.
func (c cluster) complaint(offset int64) error {
	f, err := os.Open(c.logPath)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, offset, maxLog))
	if err != nil {
		return err
	}
	err = fmt.Errorf("%s ends with: %s", c.logPath, lastLines(b))
	if bytes.Contains(b, []byte("pre-existing shared memory block")) {
		err = fmt.Errorf("%w: %w", errOrphans, err)
	}
	return err
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
	return &postmaster{pid, cluster, exited}
}

// clearStale removes what a crash left. The socket folder is ours alone and no
// postmaster of the cluster runs, so whatever the files there say is old.
// postmaster.pid stays, because PostgreSQL finds by it backends that outlived
// their postmaster; only the process id in it, which may by now be another
// program's, becomes ours, which PostgreSQL ignores as its parent's.
func (c cluster) clearStale(socket string) error {
	name := filepath.Join(socket, ".s.PGSQL."+strconv.Itoa(port))
	for _, path := range []string{name, name + ".lock"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	path := filepath.Join(c.dir, "postmaster.pid")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	return overwrite(path, append(fmt.Appendf(nil, "%d\n", os.Getpid()), rest...))
}

func openLog(path string) (*os.File, error) {
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
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
