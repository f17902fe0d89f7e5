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
	adminOnce.Do(func() {
		if adminURL = os.Getenv("AUTHD_TEST_DATABASE_URL"); adminURL == "" {
			adminURL, adminErr = startPrivate()
		}
	})
	if adminErr != nil {
		t.Fatalf("no PostgreSQL for the tests: %v", adminErr)
	}
	return adminURL
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
	return create(t, template(t, "_"+name, func(ctx context.Context, pool *pgxpool.Pool) error {
		if err := migrateUp(ctx, pool); err != nil {
			return err
		}
		return prepare(ctx, pool)
	}))
}

func migrateUp(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := migrate.Up(ctx, pool)
	return err
}

var (
	templatesMu sync.Mutex
	templates   = make(map[string]bool)
)

// template makes one template per suffix and state of the migrations.
func template(t testing.TB, suffix string, fill func(context.Context, *pgxpool.Pool) error) string {
	t.Helper()
	url := AdminURL(t)
	name, err := nameOfTemplate()
	if err != nil {
		t.Fatal(err)
	}
	name += suffix
	templatesMu.Lock()
	defer templatesMu.Unlock()
	if templates[name] {
		return name
	}
	if err := makeTemplate(context.Background(), url, name, fill); err != nil {
		t.Fatalf("make template database: %v", err)
	}
	templates[name] = true
	return name
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
	admin := AdminURL(t)
	name := "authd_test_" + randomHex()
	// wal_log, the default since PostgreSQL 15, takes four times as long; 14 knows no strategy.
	err := exec(admin, fmt.Sprintf(`create database %s template %s strategy file_copy`, name, template))
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42601" {
		err = exec(admin, fmt.Sprintf(`create database %s template %s`, name, template))
	}
	if err != nil {
		t.Fatalf("create test database: %v", err)
	}
	t.Cleanup(func() {
		if err := exec(admin, `drop database if exists `+name+` with (force)`); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	return withDatabase(t, admin, name)
}
