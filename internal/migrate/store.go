package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3/database"
)

// store lets goose read authd.schema_versions, which the migrations themselves fill: so
// psql, a host's own tool and goose leave the same trace.
type store struct{}

var (
	_ database.Store         = store{}
	_ database.StoreExtender = store{}
)

func (store) Tablename() string { return "authd.schema_versions" }

// TableExists keeps goose from making the table: the first migration does.
func (store) TableExists(context.Context, database.DBTxConn) (bool, error) { return true, nil }

func (store) CreateVersionTable(context.Context, database.DBTxConn) error { return nil }

// Insert only checks: it runs in the migration's transaction, after the file.
func (s store) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	_, err := s.GetMigration(ctx, db, req.Version)
	if errors.Is(err, database.ErrVersionNotFound) {
		return fmt.Errorf("migration %d does not record itself in authd.schema_versions", req.Version)
	}
	return err
}

func (store) Delete(context.Context, database.DBTxConn, int64) error {
	return errors.New("migrations go only forward")
}

func (s store) GetMigration(ctx context.Context, db database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	var r database.GetMigrationResult
	err := db.QueryRowContext(ctx, `select applied_at from authd.schema_versions where version = $1`, version).Scan(&r.Timestamp)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, database.ErrVersionNotFound
	}
	r.IsApplied = true
	return &r, err
}

func (s store) GetLatestVersion(ctx context.Context, db database.DBTxConn) (int64, error) {
	all, err := s.ListMigrations(ctx, db)
	if err != nil {
		return 0, err
	}
	return all[0].Version, nil
}

// ListMigrations always ends with version 0, the empty database.
func (store) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	all := []*database.ListMigrationsResult{}
	var exists bool
	err := db.QueryRowContext(ctx, `select to_regclass('authd.schema_versions') is not null`).Scan(&exists)
	if err != nil {
		return nil, fmt.Errorf("look for schema versions: %w", err)
	}
	if exists {
		if all, err = readVersions(ctx, db); err != nil {
			return nil, fmt.Errorf("read schema versions: %w", err)
		}
	}
	return append(all, &database.ListMigrationsResult{IsApplied: true}), nil
}

func readVersions(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := db.QueryContext(ctx, `select version from authd.schema_versions order by version desc`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*database.ListMigrationsResult
	for rows.Next() {
		r := &database.ListMigrationsResult{IsApplied: true}
		if err := rows.Scan(&r.Version); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
