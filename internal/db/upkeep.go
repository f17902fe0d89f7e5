package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// deadMargin is how long a row outlives its use: longer than any clock skew that
// verifiers are allowed.
const deadMargin = `interval '1 hour'`

// Oldest first, in batches, skipping rows that somebody works on: any number of replicas
// share the work and none waits. The clock stands in a subquery of its own: compared with
// directly, as a volatile function, it would be no bound of the index scan, which would
// read each row that lives. $2 spares a batch the index entries of rows that the batches
// before it have deleted, which stay as long as any transaction may see them.
const (
	deleteFamilies = `
with dead as (
  delete from authd.token_families where ctid = any (array(
    select ctid from authd.token_families
    where absolute_exp >= $2 and absolute_exp < (select authd.clock() - ` + deadMargin + `)
    order by absolute_exp limit $1 for update skip locked))
  returning absolute_exp as since` + countDead

	deleteRevokedTokens = `
with dead as (
  delete from authd.revoked_tokens where ctid = any (array(
    select ctid from authd.revoked_tokens
    where exp >= $2 and exp < (select authd.clock() - ` + deadMargin + `)
    order by exp limit $1 for update skip locked))
  returning exp as since` + countDead

	deleteStaleAttempts = `
with dead as (
  delete from authd.login_attempts where ctid = any (array(
    select ctid from authd.login_attempts
    where updated_at >= $2 and updated_at < (select authd.clock() - interval '1 day')
    order by updated_at limit $1 for update skip locked))
  returning updated_at as since` + countDead

	deleteRequests = `
with dead as (
  delete from authd.authorization_requests where ctid = any (array(
    select ctid from authd.authorization_requests
    where expires_at >= $2 and expires_at < (select authd.clock())
    order by expires_at limit $1 for update skip locked))
  returning expires_at as since` + countDead

	deleteCodes = `
with dead as (
  delete from authd.authorization_codes where ctid = any (array(
    select ctid from authd.authorization_codes
    where expires_at >= $2 and expires_at < (select authd.clock() - ` + deadMargin + `)
    order by expires_at limit $1 for update skip locked))
  returning expires_at as since` + countDead

	deleteSessions = `
with dead as (
  delete from authd.sessions where ctid = any (array(
    select ctid from authd.sessions
    where expires_at >= $2 and expires_at < (select authd.clock() - ` + deadMargin + `)
    order by expires_at limit $1 for update skip locked))
  returning expires_at as since` + countDead

	countDead = `
)
select count(*) as n, coalesce(max(since), $2) as last from dead`
)

// Deleted is what one batch did.
type Deleted struct {
	N int64
	// Last is where the next batch begins; rows before it that were locked wait for the
	// next round.
	Last time.Time
}

// DeleteExpiredFamilies deletes up to limit families that no token can name any more,
// revoked or not: until then a family that was revoked early still tells reuse. It begins
// with those that ended at from; the zero time is before all.
func (d *DB) DeleteExpiredFamilies(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete expired families", deleteFamilies, from, limit)
}

// DeleteExpiredRevocations deletes up to limit revocations of access tokens that have
// expired by themselves, at from or later.
func (d *DB) DeleteExpiredRevocations(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete expired revocations", deleteRevokedTokens, from, limit)
}

// DeleteStaleAttempts deletes up to limit counts of accounts that nobody has tried for a
// day, and last at from or later. The next attempt would not heed them any more.
func (d *DB) DeleteStaleAttempts(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete stale login attempts", deleteStaleAttempts, from, limit)
}

// DeleteExpiredRequests deletes up to limit authorization requests that nobody finished in
// time, and that expired at from or later.
func (d *DB) DeleteExpiredRequests(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete expired authorization requests", deleteRequests, from, limit)
}

// DeleteExpiredCodes deletes up to limit authorization codes, consumed or not, that expired
// at from or later. Until then a replay still ends the family that came of the code.
func (d *DB) DeleteExpiredCodes(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete expired authorization codes", deleteCodes, from, limit)
}

// DeleteExpiredSessions deletes up to limit sessions that were not used any more, and that
// ended at from or later.
func (d *DB) DeleteExpiredSessions(ctx context.Context, from time.Time, limit int) (Deleted, error) {
	return d.delete(ctx, "delete expired sessions", deleteSessions, from, limit)
}

// planBatch leaves the ordered index scan as the one way to find rows, whatever the table's
// statistics are. While they are of a time when it was small, the planner would go through
// the whole of it for each batch, or sort all that is dead.
const planBatch = `
select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`

// delete needs no durable commit: what comes back is deleted again.
func (d *DB) delete(ctx context.Context, doing, sql string, from time.Time, limit int) (out Deleted, err error) {
	var b pgx.Batch // one implicit transaction
	b.Queue(planBatch)
	b.Queue(sql, limit, from).Query(func(rows pgx.Rows) (err error) {
		out, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Deleted])
		return err
	})
	err = d.querier().SendBatch(ctx, &b).Close()
	return out, fault(doing, err)
}
