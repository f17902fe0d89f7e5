package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/oauth"
)

const revokeToken = `
with ended as (
  insert into authd.revoked_tokens (jti, client_id, audience, exp)
  select $1, $2, $3, $4 where $4 > authd.clock()
  on conflict (jti) do nothing
  returning jti
)
select exists (select from ended) as ended`

// RevokeToken ends one access token until exp, when it would have ended by itself, and
// reports whether this call did so: not an earlier one, and not time.
func (d *DB) RevokeToken(ctx context.Context, jti, client, audience string, exp time.Time) (bool, error) {
	row, err := write[struct{ Ended bool }](ctx, d, "revoke access token", revokeToken, jti, client, audience, exp)
	return row.Ended, err
}

// TokenRef is what the database is asked about an access token: numbers out of its
// verified claims.
type TokenRef struct {
	JTI, KID, ClientID, Subject string
	FamilyID                    string // "" for a token without a family
}

// TokenState is what the database says of an access token in one moment.
type TokenState struct {
	Now time.Time
	// ClientActive: registered, not disabled. ClientEnded: see [oauth.Client].
	ClientActive bool
	ClientEpoch  int64
	ClientEnded  *time.Time

	SubjectEpoch    int64
	SubjectEnded    *time.Time
	SubjectDisabled *time.Time

	// The family's; FamilyAlive is false where there is none.
	FamilyAlive                        bool
	FamilyUserEpoch, FamilyClientEpoch int64

	Revoked  bool // by its jti
	KeyValid bool // the key is known and not revoked
}

// One statement, so one snapshot.
const readTokenState = `
select authd.clock() as now,
  coalesce(c.disabled_at is null and c.deleted_at is null, false) as client_active,
  coalesce(c.epoch, 0) as client_epoch, c.ended_at as client_ended,
  coalesce(s.epoch, 0) as subject_epoch, s.ended_at as subject_ended, s.disabled_at as subject_disabled,
  coalesce(f.revoked_at is null and f.absolute_exp > authd.clock() and f.client_id = $3 and f.subject = $4, false) as family_alive,
  coalesce(f.user_epoch, 0) as family_user_epoch, coalesce(f.client_epoch, 0) as family_client_epoch,
  exists (select from authd.revoked_tokens t where t.jti = $1) as revoked,
  exists (select from authd.signing_keys k where k.kid = $2 and k.ring = 'access' and k.revoked_at is null) as key_valid
from (select) as always
left join authd.clients c on c.client_id = $3
left join authd.subjects s on s.subject = $4
left join authd.token_families f on f.id = nullif($5, '')::uuid`

// Introspection reads the client that asks and the state of the token that it asks about
// in one round trip. The client is nil where there is none.
func (d *DB) Introspection(ctx context.Context, caller string, token TokenRef) (*oauth.Client, TokenState, error) {
	var client *oauth.Client
	var state TokenState
	var b pgx.Batch
	b.Queue(readClient, caller).Query(func(rows pgx.Rows) error {
		row, err := optional[clientRow](rows)
		if row != nil {
			c := row.client()
			client = &c
		}
		return err
	})
	b.Queue(readTokenState, token.JTI, token.KID, token.ClientID, token.Subject, token.FamilyID).Query(func(rows pgx.Rows) error {
		var err error
		state, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[TokenState])
		return err
	})
	err := d.querier().SendBatch(ctx, &b).Close()
	return client, state, fault("introspect token", err)
}
