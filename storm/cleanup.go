package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/mutants"
)

const (
	batchLimit = 500
	pinned     = 3 // dead rows that a session keeps locked
)

// cleanUp is F-35. What is dead comes with one commit, while refreshes go on.
func cleanUp(ctx context.Context, w *weighing) error {
	hurry, err := mutants.Read(root, "hurry.txtar")
	if err != nil {
		return err
	}
	binary, err := build(ctx, w.home, "authd", &hurry)
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, w.pg, nil, binary, part{grace: 30 * time.Second})
	if err != nil {
		return err
	}
	defer c.stop()
	t, err := newTraffic(ctx, c, w.seed)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.pg.url("postgres", c.database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, witness); err != nil {
		return err
	}
	stop := t.start(ctx)
	err = w.compare(ctx, c, conn, t)
	stop()
	return errors.Join(err, w.judgeLocks(c, t))
}

// witness logs what each DELETE of any server took, in the DELETE's own transaction.
const witness = `
create table public.batches (what name, rows bigint, young bigint, took interval, at timestamptz);
create function public.witness() returns trigger language plpgsql security definer as $$
begin
  execute format('insert into public.batches select $1, count(*), count(*) filter (where %I >= statement_timestamp() - interval ''1 hour''),
    clock_timestamp() - statement_timestamp(), clock_timestamp() from gone', tg_argv[0]) using tg_table_name;
  return null;
end $$;
create trigger witness after delete on authd.token_families referencing old table as gone
  for each statement execute function public.witness('absolute_exp');
create trigger witness after delete on authd.revoked_tokens referencing old table as gone
  for each statement execute function public.witness('exp')`

// compare refreshes without the cleanup, and then beside it.
func (w *weighing) compare(ctx context.Context, c *cluster, conn *pgx.Conn, t *traffic) error {
	began := time.Now()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after the commit it says so
	families, revocations := deadRows(w.options)
	if err := seedRows(ctx, tx, families, revocations); err != nil {
		return err
	}
	w.tell("rows seeded, and not yet committed", "%d in %s", families+revocations, time.Since(began).Round(time.Second))
	before := t.window()
	if !pause(ctx, 5*time.Second) {
		return ctx.Err()
	}
	before.end()
	start, err := readActivity(ctx, conn)
	if err != nil {
		return err
	}
	during := t.window()
	began = time.Now()
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if err := w.watchCleanup(ctx, c, conn, families+revocations); err != nil {
		return err
	}
	during.end()
	w.tell("until the last was gone, the wait for the round included", "%s", time.Since(began).Round(100*time.Millisecond))
	w.tell("p99 of a refresh without and with the cleanup", "%s and %s, of %d and %d", before.p99(), during.p99(), len(before.took), len(during.took))
	return w.judgeCleanup(ctx, conn, start)
}

// watchCleanup returns when nothing more is deleted; it holds locks on some dead rows until then.
func (w *weighing) watchCleanup(ctx context.Context, c *cluster, conn *pgx.Conn, dead int) error {
	holder, err := pgx.Connect(ctx, w.pg.url("postgres", c.database))
	if err != nil {
		return err
	}
	defer holder.Close(context.WithoutCancel(ctx))
	if _, err := holder.Exec(ctx, `begin`); err != nil {
		return err
	}
	tag, err := holder.Exec(ctx, `select from authd.token_families where absolute_exp < now() - interval '1 hour'
		order by absolute_exp limit $1 for update skip locked`, pinned)
	if err != nil {
		return err
	}
	w.want(tag.RowsAffected() == pinned, "dead rows that a session holds locked", "%d", tag.RowsAffected())
	done, err := awaitDeleted(ctx, conn, dead-pinned)
	if err != nil {
		return err
	}
	w.want(done, "the others are gone while it does", "%v", done)
	if _, err := holder.Exec(ctx, `rollback`); err != nil {
		return err
	}
	done, err = awaitDeleted(ctx, conn, dead)
	w.want(done, "these too, once it lets go", "%v", done)
	return err
}

// awaitDeleted goes on as long as there is progress.
func awaitDeleted(ctx context.Context, conn *pgx.Conn, rows int) (bool, error) {
	for last := 0; ; {
		n := 0
		moved, err := await(ctx, func() (bool, error) {
			err := conn.QueryRow(ctx, `select coalesce(sum(rows), 0) from public.batches`).Scan(&n)
			return n > last, err
		})
		if err != nil || !moved || n >= rows {
			return moved, err
		}
		last = n
	}
}

// judgeCleanup says what the batches were, what is left, and how it was found.
func (w *weighing) judgeCleanup(ctx context.Context, conn *pgx.Conn, start activity) error {
	var b struct {
		Batches, Most, Rows, Young int
		Longest                    time.Duration
	}
	err := conn.QueryRow(ctx, `select count(*) filter (where rows > 0), max(rows), sum(rows), sum(young), max(took) from public.batches`).
		Scan(&b.Batches, &b.Most, &b.Rows, &b.Young, &b.Longest)
	if err != nil {
		return err
	}
	w.tell("batches", "%d, the longest of %s", b.Batches, b.Longest.Round(100*time.Microsecond))
	w.want(b.Most <= batchLimit, "rows of the largest batch", "%d, want at most %d", b.Most, batchLimit)
	w.want(b.Young == 0, "rows deleted that had not been over for an hour", "%d", b.Young)
	if err := w.judgeActivity(ctx, conn, start, b.Rows); err != nil {
		return err
	}
	for _, left := range remainders {
		var n int
		if err := conn.QueryRow(ctx, `select count(*) from `+left.of).Scan(&n); err != nil {
			return err
		}
		w.want(n == left.want, left.what, "%d, want %d", n, left.want)
	}
	return nil
}

// judgeActivity waits until the servers' sessions have reported what they did.
func (w *weighing) judgeActivity(ctx context.Context, conn *pgx.Conn, start activity, rows int) error {
	var did activity
	reported, err := await(ctx, func() (bool, error) {
		now, err := readActivity(ctx, conn)
		did = activity{Scanned: now.Scanned - start.Scanned, Read: now.Read - start.Read, Deleted: now.Deleted - start.Deleted}
		return did.Deleted >= int64(rows), err
	})
	if err != nil {
		return err
	}
	w.want(reported, "rows deleted, by pg_stat_user_tables", "%d, want %d", did.Deleted, rows)
	w.want(did.Scanned < fewThousand, "rows read by scans of a whole table", "%d, want less than live in one", did.Scanned)
	// Each server passes each entry, and again in each round that begins while a lock is held.
	w.tell("index entries read for each row deleted", "%.2f", float64(did.Read)/float64(rows))
	return nil
}

// activity of all sessions, by pg_stat_user_tables and pg_stat_user_indexes.
type activity struct{ Scanned, Read, Deleted int64 }

func readActivity(ctx context.Context, conn *pgx.Conn) (a activity, err error) {
	err = conn.QueryRow(ctx, `
select sum(t.seq_tup_read)::bigint, sum(t.n_tup_del)::bigint,
  (select sum(i.idx_tup_read)::bigint from pg_stat_user_indexes i where i.indexrelname in ('token_families_absolute_exp', 'revoked_tokens_exp'))
from pg_stat_user_tables t where t.relname in ('token_families', 'revoked_tokens')`).Scan(&a.Scanned, &a.Deleted, &a.Read)
	return a, err
}

// Waits for what a row lock makes others wait for. A table's end is cut off by VACUUM under a
// lock of its own, which is not the cleanup's.
var rowLockWait = regexp.MustCompile(`still waiting for \S+ on (transaction|tuple)`)

func (w *weighing) judgeLocks(c *cluster, t *traffic) error {
	log, err := os.ReadFile(w.pg.dir + ".log")
	if err != nil {
		return err
	}
	waits := rowLockWait.FindAll(log, -1)
	w.want(len(waits) == 0, "waits for row locks of more than 1 ms, in PostgreSQL's log", "%d", len(waits))
	for _, fault := range t.faults() {
		w.want(false, "a refresh", "%s", fault)
	}
	w.tell("refreshes in all, each answered with the next generation", "%d", t.count())
	if found := c.logged("msg=upkeep"); len(found) > 0 {
		w.want(false, "a server could not delete", "%s", fmt.Sprint(found[0]))
	}
	return nil
}
