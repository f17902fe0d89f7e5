package db

import (
	"context"
	"errors"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const revokeToken = `
insert into authd.revoked_tokens (jti, client_id, audience, exp)
select $1, $2, $3, $4 where $4 > authd.clock()
on conflict (jti) do nothing
returning true as ended`

// RevokeToken ends one access token until exp, when it would have ended by itself, and
// reports whether this call did so: not an earlier one, and not time.
func (d *DB) RevokeToken(ctx context.Context, jti, client, audience string, exp time.Time) (bool, error) {
	row, err := write[struct{ Ended bool }](ctx, d, "revoke access token", revokeToken, jti, client, audience, exp)
	if errors.Is(err, ErrNotFound) {
		return false, d.confirm(ctx, "revoke access token", confirmToken, jti)
	}
	return row.Ended, err
}

const confirmToken = `select t.jti as id from authd.revoked_tokens t where t.jti = $1 for update`

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

// introspectionRow is the state of a token and as much of the client that asks as decides
// whether it may: each column less is time, here.
type introspectionRow struct {
	TokenState
	CallerID             *string // null: no such client
	CallerAuthMethod     oauth.AuthMethod
	CallerAudience       []string
	CallerResourceServer bool
	CallerDisabled       *time.Time
	CallerSecrets        [][]byte
}

func (r introspectionRow) caller() *oauth.Client {
	if r.CallerID == nil {
		return nil
	}
	c := &oauth.Client{
		ID: *r.CallerID, AuthMethod: r.CallerAuthMethod, Audiences: r.CallerAudience,
		ResourceServer: r.CallerResourceServer, DisabledAt: r.CallerDisabled,
	}
	for _, sum := range r.CallerSecrets {
		c.Secrets = append(c.Secrets, oauth.ClientSecret{ID: secretID(sum), SHA256: sum})
	}
	return c
}

// One statement, so one snapshot.
const introspectToken = `
select authd.clock() as now,
  coalesce(c.disabled_at is null and c.deleted_at is null, false) as client_active,
  coalesce(c.epoch, 0) as client_epoch, c.ended_at as client_ended,
  coalesce(s.epoch, 0) as subject_epoch, s.ended_at as subject_ended, s.disabled_at as subject_disabled,
  coalesce(f.revoked_at is null and f.absolute_exp > authd.clock() and f.client_id = $3 and f.subject = $4, false) as family_alive,
  coalesce(f.user_epoch, 0) as family_user_epoch, coalesce(f.client_epoch, 0) as family_client_epoch,
  exists (select from authd.revoked_tokens t where t.jti = $1) as revoked,
  exists (select from authd.signing_keys k where k.kid = $2 and k.ring = 'access' and k.revoked_at is null) as key_valid,
  a.client_id as caller_id, coalesce(a.auth_method, '') as caller_auth_method,
  coalesce(a.audience, '{}') as caller_audience, coalesce(a.resource_server, false) as caller_resource_server,
  a.disabled_at as caller_disabled,
  array(select x.sha256 from authd.client_secrets x where x.client_id = a.client_id) as caller_secrets
from (select) as always
left join authd.clients c on c.client_id = $3
left join authd.subjects s on s.subject = $4
left join authd.token_families f on f.id = nullif($5, '')::uuid
left join authd.clients a on a.client_id = $6 and a.deleted_at is null`

// Introspection reads the client that asks and the state of the token that it asks about
// in one round trip. The client is nil where there is none; of its registration, only
// what decides whether it may ask is filled in.
func (d *DB) Introspection(ctx context.Context, caller string, token TokenRef) (*oauth.Client, TokenState, error) {
	row, err := one[introspectionRow](ctx, d, "introspect token", introspectToken,
		token.JTI, token.KID, token.ClientID, token.Subject, token.FamilyID, caller)
	return row.caller(), row.TokenState, err
}
