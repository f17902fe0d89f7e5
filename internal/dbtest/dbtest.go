// Package dbtest gives each test a database of its own, cloned from a migrated template.
// The server is the one of AUTHD_TEST_DATABASE_URL, else a private one that this package
// starts; where neither can be had, the tests fail and say what to install.
package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/migrate"
	authdsql "github.com/go-authd/authd/sql"
)

// New returns a pool on a fresh, migrated database, which is dropped with the test.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, URL(t))
}

// NewEmpty is New without the schema.
func NewEmpty(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, EmptyURL(t))
}

// EmptyURL is URL without the schema.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return create(t, "template0")
}

// URL is New for programs under test that connect by themselves.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, template(t, "", migrateUp))
}

func open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 8
	if err := db.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

var (
	adminOnce sync.Once
	adminURL  string
	adminErr  error
)

// AdminURL connects to the test server with a role that may create databases, no superuser maybe.
func AdminURL(t testing.TB) string {
	t.Helper()
	url, err := admin()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func admin() (string, error) {
	adminOnce.Do(func() {
		if adminURL = os.Getenv("AUTHD_TEST_DATABASE_URL"); adminURL == "" {
			adminURL, adminErr = startPrivate()
		}
	})
	if adminErr != nil {
		return "", fmt.Errorf("no PostgreSQL for the tests: %w", adminErr)
	}
	return adminURL, nil
}

// Prepared is [New] from a template of its own, which prepare fills once after the
// migrations. name tells it from others; the packages of one run share it.
func Prepared(t testing.TB, name string, prepare func(context.Context, *pgxpool.Pool) error) *pgxpool.Pool {
	t.Helper()
	return open(t, PreparedURL(t, name, prepare))
}

// PreparedURL is Prepared for programs under test that connect by themselves.
func PreparedURL(t testing.TB, name string, prepare func(context.Context, *pgxpool.Pool) error) string {
	t.Helper()
	return create(t, template(t, "_"+name, migrated(prepare)))
}

// PreparedExample is [PreparedURL] for an Example function, which has no testing.TB: who
// calls it drops the database.
func PreparedExample(name string, prepare func(context.Context, *pgxpool.Pool) error) (url string, drop func() error, err error) {
	from, err := templateOf("_"+name, migrated(prepare))
	if err != nil {
		return "", nil, err
	}
	return clone(from)
}

func migrated(prepare func(context.Context, *pgxpool.Pool) error) func(context.Context, *pgxpool.Pool) error {
	return func(ctx context.Context, pool *pgxpool.Pool) error {
		if err := migrateUp(ctx, pool); err != nil {
			return err
		}
		return prepare(ctx, pool)
	}
}

func migrateUp(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := migrate.Up(ctx, pool)
	return err
}

var (
	templatesMu sync.Mutex
	templates   = make(map[string]bool)
)

func template(t testing.TB, suffix string, fill func(context.Context, *pgxpool.Pool) error) string {
	t.Helper()
	name, err := templateOf(suffix, fill)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// templateOf makes one template per suffix and state of the migrations.
func templateOf(suffix string, fill func(context.Context, *pgxpool.Pool) error) (string, error) {
	url, err := admin()
	if err != nil {
		return "", err
	}
	name, err := nameOfTemplate()
	if err != nil {
		return "", err
	}
	name += suffix
	templatesMu.Lock()
	defer templatesMu.Unlock()
	if templates[name] {
		return name, nil
	}
	if err := makeTemplate(context.Background(), url, name, fill); err != nil {
		return "", fmt.Errorf("make template database: %w", err)
	}
	templates[name] = true
	return name, nil
}

// makeTemplate leaves one that is there: the test binaries of all packages share it. The
// advisory lock makes one of them do it.
func makeTemplate(ctx context.Context, url, name string, fill func(context.Context, *pgxpool.Pool) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtext($1))`, name); err != nil {
		return err
	}
	var ready bool
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1 and datistemplate)`, name).Scan(&ready)
	if err != nil || ready {
		return err
	}
	for _, q := range []string{`drop database if exists ` + name, `create database ` + name} {
		if _, err := conn.Exec(ctx, q); err != nil {
			return err
		}
	}
	if err := fillTemplate(ctx, url, name, fill); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `alter database `+name+` is_template true`)
	return err
}

func nameOfTemplate() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(authdsql.Migrations, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := authdsql.Migrations.ReadFile(path)
		h.Write(b)
		return err
	})
	return "authd_template_" + hex.EncodeToString(h.Sum(nil)[:6]), err
}

func fillTemplate(ctx context.Context, url, name string, fill func(context.Context, *pgxpool.Pool) error) error {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}
	cfg.ConnConfig.Database = name
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	return fill(ctx, pool)
}

func create(t testing.TB, template string) string {
	t.Helper()
	url, drop, err := clone(template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return url
}

// clone makes a database that is a copy of template.
func clone(template string) (url string, drop func() error, err error) {
	server, err := admin()
	if err != nil {
		return "", nil, err
	}
	name := "authd_test_" + randomHex()
	// wal_log, the default since PostgreSQL 15, takes four times as long; 14 knows no strategy.
	err = exec(server, fmt.Sprintf(`create database %s template %s strategy file_copy`, name, template))
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42601" {
		err = exec(server, fmt.Sprintf(`create database %s template %s`, name, template))
	}
	if err != nil {
		return "", nil, fmt.Errorf("create test database: %w", err)
	}
	drop = func() error {
		if err := dropDatabase(server, name); err != nil {
			return fmt.Errorf("drop test database: %w", err)
		}
		return nil
	}
	url, err = withDatabase(server, name)
	return url, drop, err
}

// dropDatabase cuts off whatever the test has left connected. A role that is no superuser
// may not cut off autovacuum, which may be at work there: without force, PostgreSQL sends
// it away by itself.
func dropDatabase(server, name string) error {
	err := exec(server, `drop database if exists `+name+` with (force)`)
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42501" {
		return err
	}
	err = exec(server, `select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user and datname = '`+name+`'`)
	return errors.Join(err, exec(server, `drop database if exists `+name))
}
