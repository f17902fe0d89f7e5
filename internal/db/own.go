package db

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/oauth"
)

// OwnAccount is what a person is shown of their account: what is alive of it, the newest
// first, each list up to the limit.
type OwnAccount struct {
	Families []oauth.ListedFamily
	Sessions []oauth.ListedSession
	Consents []oauth.Consent
	Names    map[string]string // of the clients above that have one
	Now      time.Time
}

const (
	listSessions = `
select` + sessionColumns + `, s.last_used_at, s.address, coalesce(s.user_agent, '') as user_agent
from authd.sessions s
where s.subject = $1 and ` + liveSession + `
order by s.created_at desc, s.sha256
limit $2`

	// A consent to an earlier epoch of its client counts no more.
	listConsents = `
select k.client_id, k.scope, k.granted_at
from authd.consents k join authd.clients c on c.client_id = k.client_id and c.epoch = k.client_epoch
where k.subject = $1 and c.deleted_at is null
order by k.granted_at desc, k.client_id
limit $2`

	ownClientNames = `
select c.client_id, c.name from authd.clients c
where c.name <> '' and c.client_id in (
  select f.client_id from authd.token_families f where f.subject = $1
  union select k.client_id from authd.consents k where k.subject = $1)`
)

type listedSessionRow struct {
	sessionRow
	LastUsedAt time.Time
	Address    *netip.Addr
	UserAgent  string
}

type consentRow struct {
	ClientID  string
	Scope     []string
	GrantedAt time.Time
}

// OwnAccount reads all of it in one round trip.
func (d *DB) OwnAccount(ctx context.Context, subject string, limit int) (OwnAccount, error) {
	own := OwnAccount{Names: make(map[string]string)}
	var b pgx.Batch
	queue(&b, func(r listedRow) { own.Families = append(own.Families, r.listed()) }, listFamilies, subject, "", false, limit)
	queue(&b, func(r listedSessionRow) {
		own.Sessions = append(own.Sessions, oauth.ListedSession{
			Session: r.session(), LastUsedAt: r.LastUsedAt, Device: device(r.Address, r.UserAgent),
		})
	}, listSessions, subject, limit)
	queue(&b, func(r consentRow) {
		own.Consents = append(own.Consents, oauth.Consent{ClientID: r.ClientID, Scopes: r.Scope, AllowedAt: r.GrantedAt})
	}, listConsents, subject, limit)
	queue(&b, func(r struct{ ClientID, Name string }) { own.Names[r.ClientID] = r.Name }, ownClientNames, subject)
	queue(&b, func(r struct{ Now time.Time }) { own.Now = r.Now }, readClock)
	return own, fault("read account", d.querier().SendBatch(ctx, &b).Close())
}

// queue calls take with each row.
func queue[T any](b *pgx.Batch, take func(T), sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
		for _, row := range list {
			take(row)
		}
		return err
	})
}

const endSessionOf = `delete from authd.sessions where sha256 = $1 and subject = $2 returning subject`

// EndSessionOf returns [ErrNotFound] for somebody else's session, and for one that is over.
func (d *DB) EndSessionOf(ctx context.Context, subject string, sha256 []byte) error {
	_, err := write[struct{ Subject string }](ctx, d, "end session of subject", endSessionOf, sha256, subject)
	return err
}

const endOtherSessions = `
with ended as (
  delete from authd.sessions where subject = $1 and sha256 <> $2 returning true
)
select count(*) as n from ended`

// EndOtherSessions ends the sessions of the subject, but not keep.
func (d *DB) EndOtherSessions(ctx context.Context, subject string, keep []byte) error {
	_, err := write[struct{ N int64 }](ctx, d, "end other sessions", endOtherSessions, subject, keep)
	return err
}

// Two statements: the first waits for a code that is being made of the consent, the second
// sees it. A code that is being exchanged holds its row: the deletion waits, and then leaves
// the code that has become a family, which the caller ends after this. Codes live for a
// minute, so that those not yet expired are few.
const (
	removeConsent = `delete from authd.consents where subject = $1 and client_id = $2`

	withdrawCodes = `
delete from authd.authorization_codes
where subject = $1 and client_id = $2 and consumed_at is null and expires_at > (select authd.clock())`
)

// RemoveConsent takes back what the subject has allowed the client, and the codes that the
// client has not used yet. What there is of families lives on.
func (d *DB) RemoveConsent(ctx context.Context, subject, client string) error {
	conn, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	ctx, cancel := writing(ctx)
	defer cancel()
	var b pgx.Batch // one implicit transaction
	b.Queue(removeConsent, subject, client)
	b.Queue(withdrawCodes, subject, client)
	err = conn.SendBatch(ctx, &b).Close()
	if lost := durable(conn); lost != nil {
		return fmt.Errorf("remove consent: %w", lost)
	}
	return fault("remove consent", err)
}

// Locked in one order, so that two such calls do not wait for each other.
const revokeFamiliesOf = `
with found as (
  select f.id from authd.token_families f
  where f.subject = $1 and ($2 = '' or f.client_id = $2) and f.revoked_at is null and f.absolute_exp > authd.clock()
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

// RevokeFamiliesOf ends families of the subject, at one client or at all (""), and returns
// those that this call ended: all of them if they are fewer than [RevokedAtOnce]. It returns
// [ErrLocked] if somebody holds one. Where an earlier call may have ended them, use
// [DB.ConfirmSession] before telling so.
func (d *DB) RevokeFamiliesOf(ctx context.Context, subject, client, reason string) ([]Revocation, error) {
	row, err := writeLocked[endedRow](ctx, d, "revoke families of subject", revokeFamiliesOf, subject, client, reason, RevokedAtOnce)
	return row.revocations(subject), err
}

type endedRow struct{ Families, Clients []string }

func (r endedRow) revocations(subject string) []Revocation {
	revs := make([]Revocation, len(r.Families))
	for i, id := range r.Families {
		revs[i] = Revocation{FamilyID: id, ClientID: r.Clients[i], Subject: subject, Owned: true, Ended: true}
	}
	return revs
}

const confirmSession = `select s.sha256 from authd.sessions s where s.sha256 = $1 for update`

// ConfirmSession makes sure, as [DB.RevokeFamily] does for an end that came before it, that
// all which was committed until now stays. It returns [ErrNotFound] without the session.
func (d *DB) ConfirmSession(ctx context.Context, sha256 []byte) error {
	_, err := writeLocked[struct {
		SHA256 []byte `db:"sha256"`
	}](ctx, d, "confirm session", confirmSession, sha256)
	return err
}
