package db

import (
	"context"
	"time"
)

// FeedEntry says which access tokens are dead: those with the value ID in the claim (of a
// key: the header member) that Kind names, and an iat before Before unless that is nil.
type FeedEntry struct {
	Kind   string // sid, jti, sub, client_id or kid
	ID     string
	Before *time.Time
	Exp    time.Time // no token that it names lives longer
	// Audiences are those of the tokens; nil for an entry that concerns everybody.
	Audiences []string
	XID       uint64 // of the transaction that made it
}

// FeedPage is what a snapshot adds to an earlier one.
type FeedPage struct {
	// Origin names the database and the branch of its history.
	Origin string
	// Snapshot is the text of a pg_snapshot.
	Snapshot string
	Now      time.Time
	Entries  []FeedEntry
}

// One statement, so that the snapshot is the one that the entries were read by. The
// timeline moves when a standby is promoted or a backup restored. A row older than $2 names no
// living token, and a jti is told of for two minutes after its exp: verifiers' clocks may be
// off. $1 null: from the beginning.
const readFeed = `
with since as materialized (
  select $1::pg_snapshot as snapshot, coalesce(pg_snapshot_xmin($1::pg_snapshot), '0'::xid8) as xmin, authd.clock() as now
), news as (
  select 'sid' as kind, f.id::text as id, null::timestamptz as before, f.revoked_at as at, f.revoked_xid as xid,
    case when f.resource <> '' then array[f.resource] when c.audience <> '{}' then c.audience else array[$3::text] end as audiences
  from since, authd.token_families f left join authd.clients c on c.client_id = f.client_id
  where f.revoked_xid >= since.xmin and f.revoked_at > since.now - $2::interval
  union all
  select 'jti', t.jti, null, t.exp + interval '2 minutes' - $2::interval, t.revoked_xid, array[t.audience]
  from since, authd.revoked_tokens t where t.revoked_xid >= since.xmin and t.exp + interval '2 minutes' > since.now
  union all
  select 'sub', s.subject, s.ended_at, s.ended_at, s.ended_xid, null
  from since, authd.subjects s where s.ended_xid >= since.xmin and s.ended_at > since.now - $2::interval
  union all
  select 'client_id', c.client_id, c.ended_at, c.ended_at, c.ended_xid, null
  from since, authd.clients c where c.ended_xid >= since.xmin and c.ended_at > since.now - $2::interval
  union all
  select 'kid', k.kid, null, k.revoked_at, k.revoked_xid, null
  from since, authd.signing_keys k
  where k.ring = 'access' and k.revoked_xid >= since.xmin and k.revoked_at > since.now - $2::interval
)
select (select string_agg(i.id::text, '+' order by i.created_at, i.id) from authd.incarnations i)
    || '+' || (pg_control_system()).system_identifier
    || '+' || (select d.oid from pg_database d where d.datname = current_database()) || '+' || left(pg_walfile_name(pg_current_wal_lsn()), 8) as origin,
  pg_current_snapshot()::text as snapshot, since.now,
  n.kind, n.id, n.before, n.at + $2::interval as exp, n.audiences, n.xid::text::bigint as xid
from since left join news n on since.snapshot is null or not pg_visible_in_snapshot(n.xid, since.snapshot)`

// feedRow repeats the page for each entry, and has none of an entry where there is none.
type feedRow struct {
	Origin, Snapshot string
	Now              time.Time
	Kind, ID         *string
	Before, Exp      *time.Time
	Audiences        []string
	XID              *int64
}

// Feed reads what has been ended since a snapshot, or at all for "". Entries are of tokens that
// live at most life; issuer is the audience of those whose client names none.
func (d *DB) Feed(ctx context.Context, since string, life time.Duration, issuer string) (FeedPage, error) {
	var snapshot *string
	if since != "" {
		snapshot = &since
	}
	rows, err := all[feedRow](ctx, d, "read the revocation feed", readFeed, snapshot, life, issuer)
	if err != nil {
		return FeedPage{}, err
	}
	page := FeedPage{Origin: rows[0].Origin, Snapshot: rows[0].Snapshot, Now: rows[0].Now} // the left join has one row at least
	for _, r := range rows {
		if r.Kind != nil {
			page.Entries = append(page.Entries, FeedEntry{*r.Kind, *r.ID, r.Before, *r.Exp, r.Audiences, uint64(*r.XID)})
		}
	}
	return page, nil
}
