// Package db is all the SQL. Each method is one statement or one pipelined batch that
// reports what it found and what it did; it decides nothing.
//
// Every error is one of: a sentinel of this package; one that wraps [ErrUnavailable],
// where storage cannot be reached or an outcome is unknown; or a fault of ours.
package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not found")
	// ErrExists: a row with this identifier is there already.
	ErrExists = errors.New("exists already")
	// ErrUnavailable: storage cannot be reached, or did not say in time whether a change
	// was committed. Nothing may be concluded from it; trying again is safe.
	ErrUnavailable = errors.New("storage unavailable")
)

// DB runs the statements on a pool, or inside a transaction of the host (see [DB.In]).
type DB struct {
	pool *pgxpool.Pool
	tx   pgx.Tx
}

// New does not touch the pool.
func New(pool *pgxpool.Pool) *DB { return &DB{pool: pool} }

// In binds the same methods to a transaction of the host, which commits it or does not:
// what a method then reports as done is done with the commit.
func (d *DB) In(tx pgx.Tx) *DB { return &DB{pool: d.pool, tx: tx} }

// querier is what pool, connection and transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func (d *DB) querier() querier {
	if d.tx != nil {
		return d.tx
	}
	return d.pool
}

// one reads exactly one row, or returns [ErrNotFound].
func one[T any](ctx context.Context, d *DB, doing, sql string, args ...any) (T, error) {
	rows, _ := d.querier().Query(ctx, sql, args...) // Collect returns Query's error
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	return v, fault(doing, err)
}

// all reads any number of rows.
func all[T any](ctx context.Context, d *DB, doing, sql string, args ...any) ([]T, error) {
	rows, _ := d.querier().Query(ctx, sql, args...)
	v, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	return v, fault(doing, err)
}

// Now is the database's clock, the only one by which tokens and keys are judged.
func (d *DB) Now(ctx context.Context) (time.Time, error) {
	row, err := one[struct{ Now time.Time }](ctx, d, "read the clock", `select authd.clock() as now`)
	return row.Now, err
}

// fault gives err its kind; nil stays nil.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	pg, isPg := errors.AsType[*pgconn.PgError](err)
	if isPg && pg.Code == invalidText { // an identifier that is no UUID is nobody's
		return ErrNotFound
	}
	if isPg && pg.Code == uniqueViolation {
		return fmt.Errorf("%s: %w (%s)", doing, ErrExists, pg.ConstraintName)
	}
	if !isPg || isOutage(pg.Code) {
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

const (
	uniqueViolation  = "23505"
	invalidText      = "22P02"
	notNullViolation = "23502"
	lockNotAvailable = "55P03"
	queryCanceled    = "57014" // by statement_timeout, or by an operator
	// Certainly rolled back; the rest of class 40 is not (40003).
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	readOnly             = "25006" // a standby, or default_transaction_read_only
)

// Classes of SQLSTATE that say something of the server and nothing of the statement:
// connection, rolled back, out of resources, object not in the right state (lock_timeout),
// operator intervention (cancelled, shut down), system error, cannot log in, no database.
var outages = []string{"08", "40", "53", "55", "57", "58", "XX", "28", "3D"}

func isOutage(code string) bool {
	if code == readOnly {
		return true
	}
	for _, class := range outages {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
