package db

import (
	"context"
	"net/netip"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/oauth"
)

// address is null where none is kept.
func address(d oauth.Device) *netip.Addr {
	if !d.Address.IsValid() {
		return nil
	}
	return &d.Address
}

// listedRow also reads what rotations only write.
type listedRow struct {
	familyRow
	FirstAddress   *netip.Addr
	FirstUserAgent string
	LastAddress    *netip.Addr
	LastUserAgent  string
}

func (r listedRow) listed() oauth.ListedFamily {
	f := oauth.ListedFamily{Family: r.family(), First: device(r.FirstAddress, r.FirstUserAgent)}
	f.Last = device(r.LastAddress, r.LastUserAgent)
	if f.Generation == 0 { // the first use is the last one
		f.Last = f.First
	}
	return f
}

func device(address *netip.Addr, userAgent string) oauth.Device {
	d := oauth.Device{UserAgent: userAgent}
	if address != nil {
		d.Address = *address
	}
	return d
}

// FamilyFilter narrows [DB.Families]; zero fields do not.
type FamilyFilter struct {
	Subject, ClientID string
	// Dead also lists families that have ended: revoked, expired, or of an earlier epoch.
	Dead bool
	// Limit bounds the answer.
	Limit int
}

// A family whose client has no row any more has ended, too.
const listFamilies = `
select` + familyColumns + `, f.first_address, coalesce(f.first_user_agent, '') as first_user_agent,
  f.last_address, coalesce(f.last_user_agent, '') as last_user_agent
from authd.token_families f
left join authd.subjects s on s.subject = f.subject
left join authd.clients c on c.client_id = f.client_id
where ($1 = '' or f.subject = $1) and ($2 = '' or f.client_id = $2)
  and ($3 or (f.revoked_at is null and least(f.leaf_exp, f.absolute_exp) > authd.clock()
    and f.user_epoch = coalesce(s.epoch, 0) and f.client_epoch = c.epoch))
order by f.created_at desc, f.id
limit $4`

// Families lists the newest first.
func (d *DB) Families(ctx context.Context, filter FamilyFilter) ([]oauth.ListedFamily, error) {
	rows, err := all[listedRow](ctx, d, "list families", listFamilies,
		filter.Subject, filter.ClientID, filter.Dead, filter.Limit)
	return listed(rows), err
}

func listed(rows []listedRow) []oauth.ListedFamily {
	families := make([]oauth.ListedFamily, len(rows))
	for i, row := range rows {
		families[i] = row.listed()
	}
	return families
}

// Bearer is what decides over an access token that is presented here.
type Bearer struct {
	State  TokenState
	Client *oauth.Client // nil where there is none
}

// Bearer reads the state of the token and its client in one round trip.
func (d *DB) Bearer(ctx context.Context, token TokenRef) (Bearer, error) {
	var b pgx.Batch
	var out Bearer
	out.queue(&b, token)
	return out, fault("read bearer", d.querier().SendBatch(ctx, &b).Close())
}

const readUserOf = `
select ` + userColumns + `
from authd.users u left join authd.subjects s on s.subject = u.sub
where u.sub = $1`

// BearerUser reads the state of the token and the built-in user that it speaks for, nil for
// one of the host's, in one round trip.
func (d *DB) BearerUser(ctx context.Context, token TokenRef) (TokenState, *oauth.User, error) {
	var b pgx.Batch
	var bearer Bearer
	var user *oauth.User
	bearer.queueState(&b, token)
	b.Queue(readUserOf, token.Subject).Query(func(rows pgx.Rows) (err error) {
		user, err = optional[oauth.User](rows)
		return err
	})
	err := fault("read bearer", d.querier().SendBatch(ctx, &b).Close())
	return bearer.State, user, err
}

// BearerFamilies also lists the families of the token's subject that are alive, in the same
// round trip. Whether the bearer may see them is judged by the caller.
func (d *DB) BearerFamilies(ctx context.Context, token TokenRef, limit int) (Bearer, []oauth.ListedFamily, error) {
	var b pgx.Batch
	var out Bearer
	var rows []listedRow
	out.queue(&b, token)
	b.Queue(listFamilies, token.Subject, "", false, limit).Query(func(r pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(r, pgx.RowToStructByName[listedRow])
		return err
	})
	err := fault("read bearer", d.querier().SendBatch(ctx, &b).Close())
	return out, listed(rows), err
}

func (o *Bearer) queueState(b *pgx.Batch, token TokenRef) {
	b.Queue(introspectToken, token.JTI, token.KID, token.ClientID, token.Subject, token.FamilyID, "").Query(func(rows pgx.Rows) error {
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[introspectionRow])
		o.State = row.TokenState
		return err
	})
}

func (o *Bearer) queue(b *pgx.Batch, token TokenRef) {
	o.queueState(b, token)
	b.Queue(readClient, token.ClientID).Query(func(rows pgx.Rows) error {
		row, err := optional[clientRow](rows)
		if row != nil {
			c := row.client()
			o.Client = &c
		}
		return err
	})
}

const revokeFamilyOf = `
with found as (
  select f.id, f.client_id, f.subject from authd.token_families f where f.id = $1 and f.subject = $2
), ended as (
  update authd.token_families f set revoked_at = authd.clock(), revoked_reason = $3
  from found
  where f.id = found.id and f.revoked_at is null
  returning f.id
)
select id::text as family_id, client_id, subject, true as owned, exists (select from ended) as ended from found`

// RevokeFamilyOf is [DB.RevokeFamily] for a family of the subject. It returns [ErrNotFound]
// for somebody else's; unlike there, "" is nobody. It returns [ErrLocked] as that does.
func (d *DB) RevokeFamilyOf(ctx context.Context, subject, id, reason string) (Revocation, error) {
	rev, err := writeLocked[Revocation](ctx, d, "revoke family of subject", revokeFamilyOf, id, subject, reason)
	if err == nil && !rev.Ended {
		err = d.confirm(ctx, "revoke family of subject", confirmFamily, id)
	}
	return rev, err
}

// Locked in one order, so that two such calls do not wait for each other.
const revokeOtherFamilies = `
with found as (
  select f.id from authd.token_families f
  where f.subject = $1 and f.id <> $2 and f.revoked_at is null and f.absolute_exp > authd.clock()
  order by f.id
  limit $4
  for update
), ended as (
  update authd.token_families f set revoked_at = authd.clock(), revoked_reason = $3
  from found
  where f.id = found.id
  returning f.id, f.client_id
)
select coalesce(array_agg(id::text), '{}') as families, coalesce(array_agg(client_id), '{}') as clients from ended`

// RevokedAtOnce is the most that one [DB.RevokeOtherFamilies] ends: what it locks, refreshes
// wait for.
const RevokedAtOnce = 1000

// RevokeOtherFamilies ends families of the subject, but not keep, and returns those that
// this call ended: all others if they are fewer than [RevokedAtOnce]. It writes a row for
// each. It returns [ErrLocked] if somebody holds one.
func (d *DB) RevokeOtherFamilies(ctx context.Context, subject, keep, reason string) ([]Revocation, error) {
	row, err := writeLocked[endedRow](ctx, d, "revoke other families", revokeOtherFamilies,
		subject, keep, reason, RevokedAtOnce)
	if err != nil {
		return nil, err
	}
	revs := row.revocations(subject)
	if len(revs) == 0 {
		err = d.confirm(ctx, "revoke other families", confirmFamily, keep)
	}
	return revs, err
}
