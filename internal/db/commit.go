package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// commitTimeout bounds a write. A client that goes away does not abort it: the answer is
// lost either way, but the outcome must not be left open.
const commitTimeout = 10 * time.Second

// ErrNotDurable: the wait for a synchronous standby was cancelled. PostgreSQL reports such
// a commit as done with a warning; a fail-over would undo it.
var ErrNotDurable = fmt.Errorf("%w: commit was not confirmed by the standby", ErrUnavailable)

// Keys of PgConn.CustomData.
const (
	sawSyncRep = "authd.syncrep" // a commit was not replicated
	sawProbe   = "authd.probe"   // the hook is there
)

const probeNotice = "authd looks for its notice hook"

// Configure makes a pool obey the commit rule: it installs the hook that sees cancelled
// waits for a synchronous standby, in front of the host's own, and refuses the settings
// that break the rule: CancelRequestContextWatcherHandler, which turns a cancelled wait
// into success, and query modes without descriptions, the simple protocol among them.
//
// It also makes the pool give up on connections that have fallen silent, and ask a database
// that refuses new ones less and less often.
func Configure(cfg *pgxpool.Config) error {
	if err := checkSettings(cfg); err != nil {
		return err
	}
	BoundConnecting(cfg, time.Now)
	host := cfg.ConnConfig.OnNotice
	cfg.ConnConfig.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		switch { // by routine: the text is translated
		case n.Routine == "SyncRepWaitForLSN":
			conn.CustomData()[sawSyncRep] = true
		case n.Message == probeNotice:
			conn.CustomData()[sawProbe] = true
			return
		}
		if host != nil {
			host(conn, n)
		}
	}
	return nil
}

func checkSettings(cfg *pgxpool.Config) error {
	switch cfg.ConnConfig.DefaultQueryExecMode {
	case pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec:
		return errors.New("the pool's query mode does not ask the server for types; authd needs the extended protocol " +
			"and descriptions: behind a transaction-pooling proxy use default_query_exec_mode=cache_describe")
	}
	if build := cfg.ConnConfig.BuildContextWatcherHandler; build != nil {
		var h ctxwatch.Handler = build(new(pgconn.PgConn))
		if _, ok := h.(*pgconn.CancelRequestContextWatcherHandler); ok {
			return errors.New("the pool uses CancelRequestContextWatcherHandler, under which a cancelled commit " +
				"looks like success; leave BuildContextWatcherHandler as pgx sets it")
		}
	}
	return nil
}

// CheckPool refuses a pool that cannot keep the commit rule: one with the settings that
// [Configure] refuses, and one without its hook where a synchronous standby is configured.
func CheckPool(ctx context.Context, pool *pgxpool.Pool) error {
	if err := checkSettings(pool.Config()); err != nil {
		return err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fault("connect", err)
	}
	defer conn.Release()
	var standbys string
	err = conn.QueryRow(ctx, `select current_setting('synchronous_standby_names')`).Scan(&standbys)
	if err != nil {
		return fault("read synchronous_standby_names", err)
	}
	// client_min_messages could hide the notice; a warning it hides only below error.
	if _, err := conn.Exec(ctx, `do $$ begin raise warning '`+probeNotice+`'; end $$`); err != nil {
		return fault("look for the notice hook", err)
	}
	if standbys != "" && conn.Conn().PgConn().CustomData()[sawProbe] == nil {
		return errors.New("synchronous_standby_names is set, but the pool was not made by authd.PoolConfig, " +
			"so a commit that the standby did not confirm could not be told from one that it did")
	}
	return nil
}

// writing returns a context that outlives the request's.
func writing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
}

// acquire waits for a connection as long as the request does.
func (d *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, fault("acquire a connection", err)
	}
	delete(conn.Conn().PgConn().CustomData(), sawSyncRep)
	return conn, nil
}

// durable turns a commit that the standby did not confirm into [ErrNotDurable].
func durable(conn *pgxpool.Conn) error {
	if conn.Conn().PgConn().CustomData()[sawSyncRep] != nil {
		return ErrNotDurable
	}
	return nil
}

// write runs one statement that changes something and returns its one row, or
// [ErrNotFound] where it returned none. Success means that the change is durable; in a
// host's transaction, that it will be with the host's commit.
func write[T any](ctx context.Context, d *DB, doing, sql string, args ...any) (T, error) {
	if d.tx != nil {
		return one[T](ctx, d, doing, sql, args...)
	}
	var zero T
	conn, err := d.acquire(ctx)
	if err != nil {
		return zero, err
	}
	defer conn.Release()
	ctx, cancel := writing(ctx)
	defer cancel()
	rows, _ := conn.Query(ctx, sql, args...)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if lost := durable(conn); lost != nil {
		return zero, fmt.Errorf("%s: %w", doing, lost)
	}
	return v, fault(doing, err)
}

// writeLocked is write for a row that others may hold for long. It returns [ErrLocked] as a
// rotation does.
func writeLocked[T any](ctx context.Context, d *DB, doing, sql string, args ...any) (T, error) {
	return transact[T](ctx, d, doing, []string{beginRotation, boundRotation}, sql, args)
}

// writeCommitted is write for a statement whose triggers have to see what others have committed
// while it waited for locks, whatever the database's default isolation is.
func writeCommitted[T any](ctx context.Context, d *DB, doing, sql string, args ...any) (T, error) {
	return transact[T](ctx, d, doing, []string{beginRotation}, sql, args)
}

// transact is write in a transaction that begins as it says, in one round trip.
func transact[T any](ctx context.Context, d *DB, doing string, begin []string, sql string, args []any) (v T, err error) {
	if d.tx != nil {
		return one[T](ctx, d, doing, sql, args...)
	}
	conn, err := d.acquire(ctx)
	if err != nil {
		return v, err
	}
	ctx, cancel := writing(ctx)
	defer cancel()
	r := &Rotation{conn: conn}
	defer r.Rollback(ctx)
	var b pgx.Batch
	for _, s := range begin {
		b.Queue(s)
	}
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		v, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
		return err
	})
	return v, r.send(ctx, &b, doing, lockFault)
}
