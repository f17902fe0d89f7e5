package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/pglocal"
)

// poolSize is enough to keep a PostgreSQL of a few processors busy. pgx would take 4.
const poolSize = 16

// database is the pool, and the private PostgreSQL under it if there is one.
type database struct {
	pool  *pgxpool.Pool
	local *pglocal.Server // nil for --database-url
	where string          // for people; holds no password
}

// open is for commands: beside a server on the same data directory it uses that server's
// PostgreSQL. It migrates the private one, and no other.
func (f *databaseFlags) open(ctx context.Context) (*database, error) {
	return f.connect(ctx, pglocal.Open, commandLogger())
}

// serve is open for the server, which holds the data directory.
func (f *databaseFlags) serve(ctx context.Context, log *slog.Logger) (*database, error) {
	return f.connect(ctx, pglocal.Start, log)
}

type startLocal func(context.Context, pglocal.Config) (*pglocal.Server, error)

func (f *databaseFlags) connect(ctx context.Context, start startLocal, log *slog.Logger) (*database, error) {
	if f.DatabaseURL != "" {
		pool, err := newPool(ctx, f.DatabaseURL)
		if err != nil {
			return nil, err
		}
		c := pool.Config().ConnConfig
		return &database{pool: pool, where: fmt.Sprintf("%s on %s:%d", c.Database, c.Host, c.Port)}, nil
	}
	local, err := start(ctx, pglocal.Config{DataDir: f.DataDir, Logger: log})
	if err != nil {
		return nil, err
	}
	d := &database{local: local, where: "private PostgreSQL in " + f.DataDir}
	if d.pool, err = newPool(ctx, local.URL()); err == nil {
		err = migrateLocal(ctx, d.pool, log)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// migrateLocal is the one case in which a server changes the schema: nobody else looks
// after this database.
func migrateLocal(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	s, err := authd.SchemaVersion(ctx, pool)
	if err != nil || s.Usable {
		return err
	}
	applied, err := authd.Migrate(ctx, pool)
	if len(applied) > 0 {
		log.InfoContext(ctx, "migrated the private database", "from", s.Version, "applied", applied)
	}
	return err
}

// close may be called on what was opened half.
func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	if d.local != nil {
		return d.local.Stop()
	}
	return nil
}

// newPool connects once, so that a wrong URL shows here.
func newPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, badURL(err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = poolSize
	}
	if _, ok := cfg.ConnConfig.RuntimeParams["application_name"]; !ok {
		cfg.ConnConfig.RuntimeParams["application_name"] = "authd"
	}
	if err := authd.PoolConfig(cfg); err != nil {
		return nil, wrongUse("", "--database-url: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, noConnection(err)
	}
	return pool, nil
}

// badURL keeps what the parser complains about and drops what it quotes: the password is
// in there.
func badURL(err error) error {
	why := "it cannot be parsed"
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		text := err.Error()
		if i := strings.LastIndex(text, "`: "); i >= 0 {
			why, _, _ = strings.Cut(text[i+len("`: "):], " (")
		}
	}
	return wrongUse("the form is postgres://user:password@host:5432/database?sslmode=verify-full", "--database-url: %s", why)
}

// noConnection is one line instead of one for each address that was tried.
func noConnection(err error) error {
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n\t", " ")), "\n")
	return &problem{
		exit: exitFailed, code: "unavailable", err: errors.New(line),
		hints: []string{"is the database up, and --database-url right?"},
	}
}

// admin runs f on the database.
func (f *databaseFlags) admin(ctx context.Context, run func(*authd.Admin) error) error {
	d, err := f.open(ctx)
	if err != nil {
		return err
	}
	admin, err := authd.NewAdmin(ctx, d.pool)
	if err == nil {
		err = run(admin)
	}
	return errors.Join(err, d.close())
}
