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
	return create(t, template(t))
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

var (
	templateOnce sync.Once
	templateName string
	templateErr  error
)

func template(t testing.TB) string {
	t.Helper()
	url := AdminURL(t)
	templateOnce.Do(func() { templateName, templateErr = makeTemplate(context.Background(), url) })
	if templateErr != nil {
		t.Fatalf("make template database: %v", templateErr)
	}
	return templateName
}

// makeTemplate makes one template per state of the migrations, which the test binaries of
// all packages share. The advisory lock makes one of them do it.
func makeTemplate(ctx context.Context, url string) (string, error) {
	name, err := nameOfTemplate()
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtext($1))`, name); err != nil {
		return "", err
	}
	var ready bool
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1 and datistemplate)`, name).Scan(&ready)
	if err != nil || ready {
		return name, err
	}
	for _, q := range []string{`drop database if exists ` + name, `create database ` + name} {
		if _, err := conn.Exec(ctx, q); err != nil {
			return "", err
		}
	}
	if err := migrateTemplate(ctx, url, name); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, `alter database `+name+` is_template true`)
	return name, err
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

func migrateTemplate(ctx context.Context, url, name string) error {
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
	_, err = migrate.Up(ctx, pool)
	return err
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
