package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
)

// seed puts dead rows in each table that upkeep looks after, and others that live.
func seed(t *testing.T, d execer, dead, all int) {
	t.Helper()
	const age = `clock_timestamp() + case when n <= $1 then interval '-2 days' else interval '2 days' end + n * interval '1 second'`
	for _, insert := range []string{
		`insert into authd.token_families (id, client_id, subject, scope, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp,
			absolute_exp, user_epoch, client_epoch)
		select gen_random_uuid(), 'shop', 'ada', '{}', now(), n, 'kid', now(), '-infinity', ` + age + `, 0, 0 from generate_series(1, $2) n`,
		`insert into authd.revoked_tokens (jti, client_id, audience, exp) select n, 'shop', 'api', ` + age + ` from generate_series(1, $2) n`,
		`insert into authd.login_attempts (account, failures, blocked_until, updated_at)
		select sha256(n::text::bytea), 1, now(), ` + age + ` from generate_series(1, $2) n`,
		`insert into authd.authorization_requests (sha256, browser_sha256, client_id, client_epoch, redirect_uri, response_mode, state,
			scope, resource, code_challenge, nonce, prompt, login_hint, ui_locales, expires_at)
		select sha256(n::text::bytea), sha256(''), 'shop', 0, '', 'query', '', '{}', '', '', '', '{}', '', '', ` + age + ` from generate_series(1, $2) n`,
		`insert into authd.authorization_codes (sha256, client_id, client_epoch, redirect_uri, code_challenge, nonce, subject, user_epoch,
			session_sha256, scope, resource, auth_time, amr, acr, expires_at)
		select sha256(n::text::bytea), 'shop', 0, '', '', '', 'ada', 0, '', '{}', '', now(), '{}', '', ` + age + ` from generate_series(1, $2) n`,
		`insert into authd.sessions (sha256, subject, username, user_epoch, auth_time, amr, acr, expires_at, absolute_exp)
		select sha256(n::text::bytea), 'ada', 'ada', 0, now(), '{}', '', ` + age + `, 'infinity' from generate_series(1, $2) n`,
		`insert into authd.client_assertions (client_id, jti_sha256, exp)
		select 'shop', sha256(n::text::bytea), ` + age + ` from generate_series(1, $2) n`,
	} {
		if _, err := d.Exec(t.Context(), insert, dead, all); err != nil {
			t.Fatal(err)
		}
	}
}

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// deletions by the constant that has the statement.
func deletions(d *db.DB) map[string]func(context.Context, time.Time, int) (db.Deleted, error) {
	return map[string]func(context.Context, time.Time, int) (db.Deleted, error){
		"deleteFamilies": d.DeleteExpiredFamilies, "deleteRevokedTokens": d.DeleteExpiredRevocations, "deleteStaleAttempts": d.DeleteStaleAttempts,
		"deleteRequests": d.DeleteExpiredRequests, "deleteCodes": d.DeleteExpiredCodes, "deleteSessions": d.DeleteExpiredSessions,
		"deleteAssertions": d.DeleteExpiredAssertions,
	}
}

// F-35: what a batch reads does not grow with the rows that live, nor with those that
// other batches have deleted while an old transaction may still see them.
func TestUpkeepReadsWhatItDeletes(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	seed(t, pool, 100, 500)
	old, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Rollback(t.Context()) }()
	if _, err := old.Exec(t.Context(), `select`); err != nil {
		t.Fatal(err)
	}
	statements := constants(t)
	for name, remove := range deletions(db.New(pool)) {
		batch, err := remove(t.Context(), time.Time{}, 90)
		if err != nil || batch.N != 90 {
			t.Fatalf("%s: %d rows deleted, %v", name, batch.N, err)
		}
		read, plan := explained(t, pool, statements[name], 90, batch.Last)

		if read != 11 { // with the last one that was deleted
			t.Errorf("%s: %d rows read to delete 10:\n%s", name, read, plan)
		}
	}
}

// explained runs a statement and returns how many entries of indexes it had to read.
func explained(t *testing.T, pool *pgxpool.Pool, statement string, limit int, from time.Time) (read int, plan string) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	for _, way := range []string{"seqscan", "bitmapscan", "sort"} { // of tables that are this small
		if _, err := tx.Exec(t.Context(), `set local enable_`+way+` = off`); err != nil {
			t.Fatal(err)
		}
	}
	before := indexReads(t, tx)
	rows, _ := tx.Query(t.Context(), `explain (analyze, costs off, timing off, summary off) `+statement, limit, from)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return indexReads(t, tx) - before, strings.Join(lines, "\n")
}

// indexReads counts entries, of rows that are deleted too, that this transaction read.
func indexReads(t *testing.T, tx pgx.Tx) (n int) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `select sum(pg_stat_get_xact_tuples_returned(indexrelid)) from pg_stat_user_indexes where schemaname = 'authd'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A table that was small when a server first looked for dead rows, and has grown since, is
// neither read as a whole nor is all that is dead sorted, although no ANALYZE has seen it.
func TestUpkeepNeedsNoStatistics(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	all := deletions(db.New(pool).In(tx))
	for range 10 { // PostgreSQL keeps a plan after five
		for name, remove := range all {
			if _, err := remove(t.Context(), time.Time{}, 500); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	seed(t, tx, 2000, 10_000)
	scans, reads := sequentialScans(t, tx), indexReads(t, tx)

	for name, remove := range all {
		if batch, err := remove(t.Context(), time.Time{}, 500); err != nil || batch.N != 500 {
			t.Fatalf("%s: %d rows deleted, %v", name, batch.N, err)
		}
	}

	if n := sequentialScans(t, tx) - scans; n != 0 {
		t.Errorf("%d batches went through a whole table", n)
	}
	if n := indexReads(t, tx) - reads; n != len(all)*500 {
		t.Errorf("%d rows read to delete %d", n, len(all)*500)
	}
}

// sequentialScans of the schema's tables by this transaction.
func sequentialScans(t *testing.T, tx pgx.Tx) (n int) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `select sum(seq_scan) from pg_stat_xact_user_tables where schemaname = 'authd'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A round goes on behind its last batch, of which rows of the same time may be left.
func TestUpkeepGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	seed(t, pool, 100, 500)
	_, err := pool.Exec(t.Context(), `update authd.revoked_tokens set exp = (select min(exp) from authd.revoked_tokens) where jti::int between 20 and 60`)
	if err != nil {
		t.Fatal(err)
	}
	for name, remove := range deletions(db.New(pool)) {
		var all int64
		from := time.Time{}
		for range 4 {
			batch, err := remove(t.Context(), from, 30)
			if err != nil || batch.Last.Before(from) {
				t.Fatalf("%s: from %v to %v, %v", name, from, batch.Last, err)
			}
			all, from = all+batch.N, batch.Last
		}
		if all != 100 {
			t.Errorf("%s: %d of 100 dead rows deleted", name, all)
		}
	}
}
