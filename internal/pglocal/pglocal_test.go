package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestARunningServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dirFor(t, 0o755), "made by authd")
	cfg := config(dir)
	s := start(t, cfg)
	for name, check := range map[string]func(*testing.T, *Server, Config){
		"has the settings that its users rely on":             hasSettings,
		"admits role authd with its password and nobody else": admitsOnlyAuthd,
		"lies in the data directory, closed to others":        liesInDataDir,
		"shows its password to no verb and no logger":         showsNoPassword,
		"is its own process group, so that Ctrl-C spares it":  isOwnGroup,
		"inherits only named variables of the environment":    inheritsLittle,
		"refuses a second Start, naming the holder":           refusesSecond,
		"is used, and left running, by Open":                  servesBeside,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, s, cfg)
		})
	}
}

func hasSettings(t *testing.T, s *Server, _ Config) {
	for setting, want := range map[string]string{
		"listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "200",
		"TimeZone": "UTC", "log_timezone": "UTC", "server_encoding": "UTF8", "client_encoding": "UTF8",
		"password_encryption": "scram-sha-256", "ssl": "off", "log_min_error_statement": "panic",
	} {
		if got := query(t, s, "show "+setting); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	const locale = "select datcollate || ' ' || datctype from pg_database where datname = current_database()"
	if got, want := query(t, s, locale), localeName()+" "+localeName(); got != want {
		t.Errorf("locale %q, want %q", got, want)
	}
}

func admitsOnlyAuthd(t *testing.T, s *Server, _ Config) {
	const role = "select concat_ws(' ', current_user, current_database(), rolsuper, rolcreatedb) from pg_roles where rolname = current_user"
	if got := query(t, s, role); got != "authd authd f t" {
		t.Errorf("role, database, superuser, createdb = %q", got)
	}
	for name, login := range map[string]*url.Userinfo{
		"wrong password": url.UserPassword("authd", "wrong"),
		"no password":    url.User("authd"),
		"superuser":      url.UserPassword("postgres", s.conn.password()),
	} {
		u, err := url.Parse(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User = login
		conn, err := pgx.Connect(t.Context(), u.String())
		var refused *pgconn.PgError
		if err == nil {
			conn.Close(t.Context())
			t.Errorf("%s: admitted", name)
		} else if errors.As(err, &refused) && !strings.HasPrefix(refused.Code, "28") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func liesInDataDir(t *testing.T, s *Server, cfg Config) {
	modes := map[string]os.FileMode{
		"postgres":     os.ModeDir | 0o700,
		stateFile:      0o600,
		"lock":         0o600,
		"postgres.log": 0o600,
	}
	modes[""] = os.ModeDir | 0o700
	if os.Geteuid() == 0 {
		modes[""] = os.ModeDir | 0o711 // the server's user has to pass
	}
	for name, want := range modes {
		fi, err := os.Lstat(filepath.Join(cfg.DataDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%q has mode %v, want %v", name, fi.Mode(), want)
		}
	}
	for _, path := range []string{s.conn.Socket, filepath.Join(cfg.DataDir, "postgres")} {
		if uid, _, err := owner(path); err != nil || os.Geteuid() == 0 && uid == 0 || os.Geteuid() != 0 && uid != os.Geteuid() {
			t.Errorf("%s belongs to uid %d (%v)", path, uid, err)
		}
	}
}

func showsNoPassword(t *testing.T, s *Server, _ Config) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q %v %+v", s, s, s, s, s, s.conn, struct{ S *Server }{s})
	slog.New(slog.NewTextHandler(&out, nil)).Info("started", "server", s)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("started", "server", s)
	if strings.Contains(out.String(), s.conn.password()) {
		t.Errorf("password in %s", out.String())
	}
	if strings.Contains(commandLine(s.running.pid), s.conn.password()) {
		t.Error("password in the command line of the server")
	}
}

func isOwnGroup(t *testing.T, s *Server, _ Config) {
	if pgid, err := syscall.Getpgid(s.running.pid); err != nil || pgid != s.running.pid {
		t.Errorf("process group %d of process %d: %v", pgid, s.running.pid, err)
	}
}

func inheritsLittle(t *testing.T, _ *Server, _ Config) {
	allowed := map[string]bool{"LC_ALL": true, "TZ": true, "PATH": true, "HOME": true, "LD_LIBRARY_PATH": true, "DYLD_LIBRARY_PATH": true}
	for _, v := range environment() {
		if name, _, _ := strings.Cut(v, "="); !allowed[name] {
			t.Errorf("%s is inherited", name)
		}
	}
}

func refusesSecond(t *testing.T, _ *Server, cfg Config) {
	_, err := Start(t.Context(), cfg)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
		t.Fatalf("error %v, want *InUseError with pid %d", err, os.Getpid())
	}
	want := fmt.Sprintf("data directory is in use by pid %d; replicas need --database-url", os.Getpid())
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func servesBeside(t *testing.T, s *Server, cfg Config) {
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if b.URL() != s.URL() {
		t.Error("another server")
	}
	stop(t, b)
	if got := query(t, s, "select 'running'"); got != "running" {
		t.Error(got)
	}
}

// waiter tells when a Server waits for the data directory.
type waiter struct {
	slog.Handler
	waits chan struct{}
}

func (w waiter) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "waiting for the data directory" {
		close(w.waits)
	}
	return nil
}

func (w waiter) Enabled(context.Context, slog.Level) bool { return true }

func TestCommandsWithoutAServerTakeTurns(t *testing.T) {
	t.Parallel()
	cfg := config(dirFor(t, 0o755))
	first := open(t, cfg)
	pm := first.running
	for i, enter := range []func(context.Context, Config) (*Server, error){Open, Start} {
		waits := make(chan struct{})
		cfg := cfg
		cfg.Logger = slog.New(waiter{slog.DiscardHandler, waits})
		second := make(chan *Server)
		go func() {
			s, err := enter(t.Context(), cfg)
			if err != nil {
				t.Error(err)
			}
			second <- s
		}()
		select {
		case <-second:
			t.Fatalf("%d did not wait for a command which is going to stop the server", i)
		case <-waits:
		}
		stop(t, first)
		if first = <-second; first == nil {
			t.FailNow()
		}
		if pm.alive() {
			t.Errorf("%d: the server of the ended command is running", i)
		}
		pm = first.running
		stopped(t, first, nil)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Config{}); err == nil {
		t.Error("a configuration without data directory succeeds")
	}
	cfg := config(filepath.Join(t.TempDir(), "data"))
	cfg.binDirs = func() []string { return nil }
	if _, err := Start(t.Context(), cfg); !errors.Is(err, ErrNoBinaries) {
		t.Errorf("no binaries: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg.binDirs = usualBinDirs
	if _, err := Start(ctx, cfg); err == nil {
		t.Error("a start whose context has ended succeeds")
	}
	l, err := tryLock(filepath.Join(cfg.DataDir, "lock"), serving)
	if err != nil {
		t.Fatalf("a refused start keeps the lock: %v", err)
	}
	if err := l.release(); err != nil {
		t.Error(err)
	}
}
