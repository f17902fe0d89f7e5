package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a PostgreSQL of the storm's own, on a unix socket, that it may crash.
type postgres struct {
	bin, dir, socket string
	settings         []string
	account          *syscall.Credential // nil: this process's own
	cmd              *exec.Cmd
	ended            chan struct{} // closed when the process has
}

// port is only a part of the socket's name.
const port = "5432"

// newPostgres makes an empty cluster below home.
func newPostgres(home, name string) (*postgres, error) {
	p := &postgres{dir: filepath.Join(home, name), socket: filepath.Join(home, name+".sock")}
	var err error
	if p.bin, err = findPostgres(); err != nil {
		return nil, err
	}
	if p.account, err = postgresAccount(); err != nil {
		return nil, err
	}
	for _, dir := range []string{p.dir, p.socket} {
		if err := p.mkdir(dir); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *postgres) initdb(ctx context.Context) error {
	return p.run(ctx, "initdb", "-D", p.dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions")
}

// findPostgres prefers the newest of Debian's versions, as their wrappers do.
func findPostgres() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is good
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
		return filepath.Dir(newest), nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("no PostgreSQL programs on this machine: scripts/postgres installs them")
	}
	return filepath.Dir(initdb), nil
}

func major(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

// postgresAccount: PostgreSQL does not run as root.
func postgresAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

func (p *postgres) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil || p.account == nil {
		return err
	}
	return os.Chown(dir, int(p.account.Uid), int(p.account.Gid))
}

// command has a process group of its own: an interrupt is for the storm, which ends the rest.
func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = append(plainEnv(), "LC_MESSAGES=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.account}
	return cmd
}

func (p *postgres) run(ctx context.Context, name string, args ...string) error {
	if out, err := p.command(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// start returns when the server accepts connections.
func (p *postgres) start(ctx context.Context) error {
	settings := append([]string{
		"listen_addresses=", "unix_socket_directories=" + p.socket, "max_connections=100", "shared_buffers=32MB",
		"synchronous_commit=on", "log_min_messages=fatal", "deadlock_timeout=200ms", "wal_keep_size=256MB",
	}, p.settings...)
	args := []string{"-D", p.dir, "-p", port}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	log, err := os.OpenFile(p.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd, p.ended = p.command(context.WithoutCancel(ctx), "postgres", args...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // what it died of is in its log
		close(ended)
	}(p.cmd, p.ended)
	return p.awaitStart(ctx)
}

const patience = time.Minute // bounds each wait for a process

func (p *postgres) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.url("postgres", "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.ended:
			log, _ := os.ReadFile(p.dir + ".log")
			return fmt.Errorf("PostgreSQL ended at its start:\n%s", log)
		default:
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("PostgreSQL does not accept connections: %w", err)
		}
	}
}

// signal returns when the server has ended. SIGQUIT is pg_ctl's immediate mode: a crash, after
// which the next start recovers from the log. SIGKILL takes the whole process group.
func (p *postgres) signal(s syscall.Signal) {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	pid := p.cmd.Process.Pid
	if s == syscall.SIGKILL {
		pid = -pid
	}
	_ = syscall.Kill(pid, s) // it may have ended already
	<-p.ended
}

// url reaches the server past every proxy.
func (p *postgres) url(role, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%s", role, database, p.socket, port)
}

// address is where the server listens, for a proxy.
func (p *postgres) address() string { return filepath.Join(p.socket, ".s.PGSQL."+port) }

// execute runs statements as superuser.
func (p *postgres) execute(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.url("postgres", database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// pause is false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// plainEnv is this process's without settings of authd and of libpq.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AUTHD_") || strings.HasPrefix(v, "PG")
	})
}
