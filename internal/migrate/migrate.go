// Package migrate brings schema authd to the version that this build needs. It is the one
// user of database/sql.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	authdsql "github.com/go-authd/authd/sql"
)

// Version is the schema version that this build needs.
const Version = 9

// lockID is the session advisory lock that migrating replicas wait for: "authd" in ASCII.
// It only keeps them from doing the same work; the version row's primary key is what
// makes one of them win.
const lockID = 0x6175746864

// Status tells what a database has and needs.
type Status struct {
	Version int64 // 0: no schema
	Needs   int64 // the oldest server version that may run on it
	Pending []string
}

// Current reports whether a server of this build may run on the database.
func (s Status) Current() bool { return s.Version >= Version && s.Needs <= Version }

// Up applies what is missing and returns the names of the migrations that it applied. It
// waits for other migrating processes, up to five minutes, and needs a connection of its
// own that no transaction-pooling proxy stands in front of.
func Up(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	p, err := provider(db)
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	var applied []string
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate schema authd: %w", err)
	}
	return applied, nil
}

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(authdsql.Migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(goose.DialectCustom, db, files,
		goose.WithStore(store{}), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

const readStatus = `select coalesce(max(version), 0), coalesce(max(needs), 0) from authd.schema_versions`

// Read tells the state of the database and changes nothing.
func Read(ctx context.Context, pool *pgxpool.Pool) (Status, error) {
	var s Status
	err := pool.QueryRow(ctx, readStatus).Scan(&s.Version, &s.Needs)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == undefinedTable || pg.Code == invalidSchema) {
		err = nil
	}
	if err != nil {
		return s, fmt.Errorf("read schema version: %w", err)
	}
	s.Pending, err = pending(s.Version)
	return s, err
}

const (
	undefinedTable = "42P01"
	invalidSchema  = "3F000"
)

func pending(version int64) ([]string, error) {
	names, err := fs.Glob(authdsql.Migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		if n > version {
			missing = append(missing, name)
		}
	}
	return missing, nil
}
