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
	"path/filepath"
	"strconv"
	"strings"
)

// maxLog is the size in bytes at which a start puts postgres.log aside.
const maxLog = 1 << 20

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

// run is adoptOrStart; without sync, for tests, it ties the server to this process.
func (c cluster) run(ctx context.Context, log *slog.Logger, socket string, noSync bool) (*postmaster, error) {
	args := append([]string{"-D", c.dir, "-k", socket}, settings(noSync)...)
	pm, err := c.adoptOrStart(ctx, log, socket, args)
	if err != nil || !noSync {
		return pm, err
	}
	if err := c.tie(pm); err != nil {
		return nil, errors.Join(err, pm.stop())
	}
	return pm, nil
}

// tie makes a shell end the postmaster when this process ends without a word:
// the kernel then closes the pipe.
func (c cluster) tie(pm *postmaster) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := c.account.command(context.Background(), "/bin/sh", "-c", "read word || kill -INT "+strconv.Itoa(pm.pid))
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("tying PostgreSQL to this process: %w", err), w.Close())
	}
	pm.untie = func() {
		_, _ = w.WriteString("\n") // fails when somebody killed the shell
		_ = w.Close()
		_ = cmd.Wait()
	}
	return nil
}

// adoptOrStart adopts the postmaster of the cluster, or starts one, and returns when it
// is ready. A postmaster which runs with other settings, as after an upgrade of
// authd, is ended first.
func (c cluster) adoptOrStart(ctx context.Context, log *slog.Logger, socket string, args []string) (*postmaster, error) {
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
	return openOwn(path, os.O_WRONLY|os.O_APPEND)
}
