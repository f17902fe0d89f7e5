// Package pglocal runs a private PostgreSQL for one program: it finds the
// installed binaries, makes a cluster once, starts it on a unix socket only,
// and stops it with the program. What runs on a laptop is therefore what runs
// in production.
//
// Files of a data directory, all 0600: "lock" holds the flock and the holder's
// process id, "postgres.json" says where the cluster and its socket are and
// with which password, "postgres.log" is the server's log. The cluster itself
// is "postgres", or lies under /var/lib/authd where the server's user cannot
// reach the data directory.
package pglocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// patience bounds how long Open waits for a server that is still starting, and
// Start or Open for a short command which has the cluster to itself.
const patience = 30 * time.Second

// Config of a private cluster.
type Config struct {
	// DataDir is required. It is created where absent: 0700, or 0711 for root,
	// whose PostgreSQL runs as another user and has to pass through. The mode
	// of an existing directory is left alone.
	DataDir string
	// Logger receives what happens to the server. Default [slog.Default].
	Logger *slog.Logger
	// UnsafeNoSync turns fsync, full_page_writes and synchronous_commit off. A
	// crash of the machine then loses committed data or the whole cluster. The
	// server also ends when this process does, however that ends, so that tests
	// leave none behind. It MUST NOT be set outside tests and `authd demo`, which
	// throw their data away.
	UnsafeNoSync bool

	binDirs func() []string // where binaries are looked for; nil means the usual places
}

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, errors.New("pglocal: DataDir is empty")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.binDirs == nil {
		c.binDirs = usualBinDirs
	}
	return c, nil
}

// InUseError is returned where another program holds the data directory.
type InUseError struct {
	// PID of the holder as it wrote it; of another PID namespace where a
	// container shares the directory. 0 where it could not be read.
	PID int

	kind kind
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("data directory is in use by pid %d; replicas need --database-url", e.PID)
}

// Server is a private PostgreSQL which accepts connections. It does not restart
// a PostgreSQL that crashed. Formatting and logging a Server shows no password.
type Server struct {
	conn connection
	log  *slog.Logger

	stop    sync.Once
	stopErr error
	lock    *lock // nil beside a server: nothing here is ours to stop
	running *postmaster
}

// Start makes the cluster where there is none, starts it, or adopts the running
// postmaster which a killed predecessor left behind, and holds the data
// directory until Stop. It returns when PostgreSQL accepts connections; ctx
// bounds only that.
//
// Errors: [*InUseError] where another server holds the data directory,
// [ErrNoBinaries] where PostgreSQL, or its right version, is not installed.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	return enter(ctx, cfg, serving)
}

// Open is for short commands. Beside a server on the same data directory it
// uses that server and Stop leaves it alone; the server may then end at any
// time. Beside none it does what Start does. Two commands without a server take
// turns.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	return enter(ctx, cfg, command)
}

func enter(ctx context.Context, cfg Config, k kind) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	dir, err := prepareDataDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var said sync.Once
	for {
		l, err := tryLock(filepath.Join(dir, "lock"), k)
		if err == nil {
			return launch(ctx, cfg, dir, l)
		}
		var inUse *InUseError
		if !errors.As(err, &inUse) || k == serving && inUse.kind == serving {
			return nil, err
		}
		if inUse.kind == serving {
			s, besideErr := beside(wait, cfg, dir)
			if besideErr == nil {
				return s, nil
			}
			err = fmt.Errorf("%w; it does not answer: %w", err, besideErr)
		}
		said.Do(func() { cfg.Logger.InfoContext(ctx, "waiting for the data directory", "pid", inUse.PID) })
		if pause(wait) != nil {
			return nil, err
		}
	}
}

// beside returns the server which another process runs on dir.
func beside(ctx context.Context, cfg Config, dir string) (*Server, error) {
	st, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if err := ping(ctx, st.connection()); err != nil {
		return nil, err
	}
	return &Server{conn: st.connection(), log: cfg.Logger}, nil
}

func launch(ctx context.Context, cfg Config, dir string, l *lock) (_ *Server, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	st, c, err := prepareCluster(ctx, cfg, dir)
	if err != nil {
		return nil, err
	}
	if st.Socket, err = socketDir(dir, c.account); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			removeSocketDir(st.Socket)
		}
	}()
	if err := writeState(dir, st); err != nil {
		return nil, err
	}
	pm, err := c.run(ctx, cfg.Logger, st.Socket, cfg.UnsafeNoSync)
	if err != nil {
		return nil, err
	}
	if err := ping(ctx, st.connection()); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to the private PostgreSQL: %w", err), pm.stop())
	}
	return &Server{conn: st.connection(), log: cfg.Logger, lock: l, running: pm}, nil
}

func ping(ctx context.Context, c connection) error {
	conn, err := pgconn.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// URL is a postgres:// URL over the unix socket, with the password of role
// authd: it must not be logged. The role may create databases and is no
// superuser.
func (s *Server) URL() string { return s.conn.url() }

// Stop ends the PostgreSQL that this Server started or adopted, cutting open
// connections (a fast shutdown, nothing committed is lost), and frees the data
// directory. It may be called more than once, and returns the same error.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		if s.lock == nil {
			return
		}
		err := s.running.stop()
		removeSocketDir(s.conn.Socket)
		s.stopErr = errors.Join(err, s.lock.release())
	})
	return s.stopErr
}

// Remove is Stop, and then deletes the cluster, which need not lie in the data
// directory: see the package's comment. Beside a server it does nothing.
func (s *Server) Remove() error {
	if s.lock == nil {
		return nil
	}
	return errors.Join(s.Stop(), os.RemoveAll(s.running.cluster))
}

// String names the socket folder and nothing secret.
func (s *Server) String() string { return "private PostgreSQL at " + s.conn.Socket }

// GoString is String, for %#v.
func (s *Server) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s *Server) LogValue() slog.Value { return slog.StringValue(s.String()) }

// pause waits for a moment between two looks at something; it fails when ctx ends.
func pause(ctx context.Context) error {
	t := time.NewTimer(10 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
