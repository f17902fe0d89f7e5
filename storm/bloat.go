package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

const (
	rotated       = 10_000 // families
	touchAll      = 30_000 // rotations, after which each page has been written to
	manyRotations = 1_000_000
	fewRotations  = 80_000
	rotators      = 16
	leastHOT      = 0.9
	mostWAL       = 500 // bytes of a rotation
	// mostGrowth bounds the size of the table with its indexes after all that follows, as a
	// multiple of what it was before.
	mostGrowth = 1.25
	// mostSpread bounds it after the first rotations, as a multiple of the rows alone.
	mostSpread = 2.0
	idle       = 3 * time.Second // that the database lets a transaction be
)

// rotateMuch is F-36, by the statements of a refresh and without its signatures.
func rotateMuch(ctx context.Context, w *weighing) error {
	r, err := newRotor(ctx, w)
	if err != nil {
		return err
	}
	defer r.conn.Close(context.WithoutCancel(ctx))
	began, all := time.Now(), manyRotations
	if w.short {
		all = fewRotations
	}
	for _, phase := range []func(context.Context, int) error{r.first, r.besideHolder, r.rest} {
		if err := phase(ctx, all); err != nil {
			return err
		}
	}
	took := time.Since(began)
	w.tell("rotations in all", "%d in %s, %.0f a second", r.done.Load(), took.Round(time.Second), float64(r.done.Load())/took.Seconds())
	return r.judgeRows(ctx)
}

// rotor makes rotations of families that it knows.
type rotor struct {
	*weighing
	url      string
	conn     *pgx.Conn // of the superuser
	families []string
	done     atomic.Int64
	size     int64 // when it was last looked at
}

const (
	rotorDatabase = "bloat"
	idleTimeout   = "terminating connection due to idle-in-transaction timeout"
)

// newRotor makes the families in a database in which a transaction may not be idle for long.
func newRotor(ctx context.Context, w *weighing) (*rotor, error) {
	r := &rotor{weighing: w, url: w.pg.url("postgres", rotorDatabase)}
	if err := w.pg.execute(ctx, "postgres", `create database `+rotorDatabase,
		fmt.Sprintf(`alter database %s set idle_in_transaction_session_timeout = '%dms'`, rotorDatabase, idle.Milliseconds())); err != nil {
		return nil, err
	}
	pool, err := r.pool(ctx)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if _, err := authd.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	admin, err := authd.NewAdmin(ctx, pool)
	if err != nil {
		return nil, err
	}
	if _, _, err := admin.CreateClient(ctx, authd.Client{ID: "calm", AuthMethod: "none", GrantTypes: []string{"refresh_token"}}); err != nil {
		return nil, err
	}
	if r.conn, err = pgx.Connect(ctx, r.url); err != nil {
		return nil, err
	}
	return r, r.seed(ctx)
}

func (r *rotor) seed(ctx context.Context) error {
	if _, err := r.conn.Exec(ctx, insertFamilies, "live", rotated, 90*day, 0.0, never); err != nil {
		return err
	}
	if _, err := r.conn.Exec(ctx, `vacuum analyze authd.token_families`); err != nil {
		return err
	}
	rows, _ := r.conn.Query(ctx, `select id::text from authd.token_families`) // Collect returns Query's error
	var err error
	if r.families, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	}
	r.size, err = r.number(ctx, tableSize)
	r.tell("table and indexes with 10,000 families", "%.2f MB", megabytes(r.size))
	return err
}

func (r *rotor) pool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(r.url)
	if err != nil {
		return nil, err
	}
	if err := authd.PoolConfig(cfg); err != nil {
		return nil, err
	}
	cfg.MaxConns = rotators
	return pgxpool.NewWithConfig(ctx, cfg)
}

// rotate ends after n rotations, or when ctx does: those under way come to their end. Each
// rotator has families of its own.
func (r *rotor) rotate(ctx context.Context, n int) error {
	pool, err := r.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close() // its sessions then report what they did
	var left atomic.Int64
	left.Store(int64(n))
	var rotating sync.WaitGroup
	errs := make([]error, rotators)
	for i := range rotators {
		random := seeded(r.options.seed+uint64(r.done.Load()), fmt.Sprint("rotator ", i))
		rotating.Go(func() {
			for ctx.Err() == nil && errs[i] == nil && left.Add(-1) >= 0 {
				errs[i] = r.one(context.WithoutCancel(ctx), db.New(pool), r.families[random.IntN(len(r.families)/rotators)*rotators+i], random)
			}
		})
	}
	rotating.Wait()
	return errors.Join(errs...)
}

// device is kept with each rotation, which is more to write than none.
var device = oauth.NewDevice(netip.MustParseAddr("2001:db8::7:1"),
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36")

// one is what a refresh does to the database.
func (r *rotor) one(ctx context.Context, d *db.DB, family string, random *rand.Rand) error {
	rotation, err := d.BeginRotation(ctx, family, "calm", "kid")
	if err != nil {
		return err
	}
	if rotation.Family == nil || rotation.Client == nil {
		rotation.Rollback(ctx)
		return errors.New("the family or its client is not there")
	}
	// As long as those of tokens; no two are alike.
	jti := fmt.Sprintf("%010x%016x", rotation.Family.Generation+1, random.Uint64())
	if err := rotation.Step(ctx, jti, rotation.Family.LeafKID, 14*24*time.Hour, device); err != nil {
		return err
	}
	r.done.Add(1)
	return nil
}

// first: a row becomes longer with its first rotation, and finds the page on which it stays.
func (r *rotor) first(ctx context.Context, _ int) error {
	rows := r.size
	if err := r.rotate(ctx, touchAll); err != nil {
		return err
	}
	share, total, err := r.share(ctx, updates{})
	if err != nil {
		return err
	}
	r.tell("HOT updates, the first rotations of each", "%.2f %% of %d", share*100, total)
	r.size, err = r.number(ctx, tableSize)
	r.want(float64(r.size) <= mostSpread*float64(rows), "table and indexes after them", "%.2f MB, want at most %.1f times as much as before", megabytes(r.size), mostSpread)
	return err
}

// besideHolder rotates beside a session that reads and then does nothing, until the database
// ends that session.
func (r *rotor) besideHolder(ctx context.Context, _ int) error {
	holder, err := pgx.Connect(ctx, r.url)
	if err != nil {
		return err
	}
	defer holder.Close(context.WithoutCancel(ctx))
	if _, err := holder.Exec(ctx, `begin isolation level repeatable read; select from authd.token_families limit 1`); err != nil {
		return err
	}
	before, size := r.done.Load(), r.size
	rotating, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- r.rotate(rotating, manyRotations) }()
	ended, err := await(ctx, func() (bool, error) {
		n, err := r.number(ctx, `select count(*) from pg_stat_activity where pid = $1`, holder.PgConn().PID())
		return n == 0, err
	})
	stop()
	if err := errors.Join(err, <-failed); err != nil {
		return err
	}
	r.want(ended, "the session that was idle in its transaction is ended", "%v", ended)
	log, err := os.ReadFile(r.pg.dir + ".log")
	if err != nil {
		return err
	}
	r.want(bytes.Contains(log, []byte(idleTimeout)), "the reason is in PostgreSQL's log", "%s", idleTimeout)
	r.size, err = r.number(ctx, tableSize)
	r.tell("rotations beside it", "%d, and table and indexes grew from %.2f to %.2f MB", r.done.Load()-before, megabytes(size), megabytes(r.size))
	return err
}

// rest makes as many rotations as are missing. A part of them is measured: after a checkpoint,
// when each page has been written to the log as a whole.
func (r *rotor) rest(ctx context.Context, all int) error {
	before, size := updates{}, r.size
	if err := r.read(ctx, &before); err != nil {
		return err
	}
	perRotation, err := r.logged(ctx, all/4)
	if err != nil {
		return err
	}
	if err := r.rotate(ctx, all-int(r.done.Load())); err != nil {
		return err
	}
	share, total, err := r.share(ctx, before)
	if err != nil {
		return err
	}
	r.want(share > leastHOT, "HOT updates after it", "%.2f %% of %d, want more than %.0f %%", share*100, total, leastHOT*100)
	if r.size, err = r.number(ctx, tableSize); err != nil {
		return err
	}
	r.want(perRotation <= mostWAL, "log of a rotation in steady state", "%.0f bytes, want at most %d", perRotation, mostWAL)
	r.want(float64(r.size) <= mostGrowth*float64(size), "table and indexes in the end", "%.2f MB, want at most %.2f times what they were", megabytes(r.size), mostGrowth)
	return nil
}

// logged is what n rotations write to the log, each, autovacuum's part included.
func (r *rotor) logged(ctx context.Context, n int) (float64, error) {
	if _, err := r.conn.Exec(ctx, `checkpoint`); err != nil {
		return 0, err
	}
	if err := r.rotate(ctx, touchAll); err != nil {
		return 0, err
	}
	before, err := r.number(ctx, logPosition)
	if err != nil {
		return 0, err
	}
	if err := r.rotate(ctx, n); err != nil {
		return 0, err
	}
	after, err := r.number(ctx, logPosition)
	return float64(after-before) / float64(n), err
}

const (
	tableSize   = `select pg_total_relation_size('authd.token_families')`
	logPosition = `select (pg_current_wal_insert_lsn() - '0/0')::bigint`
)

func (r *rotor) number(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = r.conn.QueryRow(ctx, sql, args...).Scan(&n)
	return n, err
}

// updates of families, by pg_stat_user_tables.
type updates struct{ hot, all int64 }

// read waits until all sessions have reported.
func (r *rotor) read(ctx context.Context, u *updates) error {
	done, err := await(ctx, func() (bool, error) {
		err := r.conn.QueryRow(ctx, `select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables where relname = 'token_families'`).Scan(&u.hot, &u.all)
		return u.all == r.done.Load(), err
	})
	if err == nil && !done {
		err = fmt.Errorf("%d rotations, and PostgreSQL counts %d updates", r.done.Load(), u.all)
	}
	return err
}

// share of HOT updates since before.
func (r *rotor) share(ctx context.Context, before updates) (share float64, all int64, err error) {
	var now updates
	if err := r.read(ctx, &now); err != nil {
		return 0, 0, err
	}
	return float64(now.hot-before.hot) / float64(now.all-before.all), now.all - before.all, nil
}

// judgeRows: each rotation is in its family's row.
func (r *rotor) judgeRows(ctx context.Context) error {
	sum, err := r.number(ctx, `select sum(generation)::bigint from authd.token_families`)
	if err != nil {
		return err
	}
	r.want(sum == r.done.Load(), "sum of the families' generations", "%d, want %d", sum, r.done.Load())
	rows, err := r.number(ctx, `select count(*) from authd.token_families`)
	if err != nil {
		return err
	}
	r.want(rows == rotated, "families", "%d, want %d", rows, rotated)
	share, _, err := r.share(ctx, updates{})
	// In the short form those beside the open transaction weigh too much.
	r.want(share > leastHOT || r.short, "HOT updates in all", "%.2f %%", share*100)
	return err
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }
