package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// deadMargin is how long a row outlives its use: longer than any clock skew that
// verifiers are allowed.
const deadMargin = `interval '1 hour'`

// Oldest first, in batches, skipping rows that somebody works on: any number of replicas
// share the work and none waits.
const (
	deleteFamilies = `
delete from authd.token_families where ctid = any (array(
  select ctid from authd.token_families where absolute_exp < authd.clock() - ` + deadMargin + `
  order by absolute_exp limit $1 for update skip locked))`

	deleteRevokedTokens = `
delete from authd.revoked_tokens where ctid = any (array(
  select ctid from authd.revoked_tokens where exp < authd.clock() - ` + deadMargin + `
  order by exp limit $1 for update skip locked))`
)

// DeleteExpiredFamilies deletes up to limit families that no token can name any more,
// revoked or not: until then a family that was revoked early still tells reuse.
func (d *DB) DeleteExpiredFamilies(ctx context.Context, limit int) (int64, error) {
	return d.delete(ctx, "delete expired families", deleteFamilies, limit)
}

// DeleteExpiredRevocations deletes up to limit revocations of access tokens that have
// expired by themselves.
func (d *DB) DeleteExpiredRevocations(ctx context.Context, limit int) (int64, error) {
	return d.delete(ctx, "delete expired revocations", deleteRevokedTokens, limit)
}

// delete needs no durable commit: what comes back is deleted again.
func (d *DB) delete(ctx context.Context, doing, sql string, limit int) (int64, error) {
	rows, _ := d.querier().Query(ctx, sql, limit)
	_, err := pgx.CollectRows(rows, pgx.RowToMap)
	return rows.CommandTag().RowsAffected(), fault(doing, err)
}
