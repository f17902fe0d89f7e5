package db

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/go-authd/authd/internal/oauth"
)

// ErrTwoSecrets: a client has two live secrets already.
var ErrTwoSecrets = errors.New("client has two live secrets")

// clientRow is a registration with its live secrets and the time of reading, in one
// round trip: what every call of a client begins with.
type clientRow struct {
	ClientID       string
	Name           string
	AuthMethod     oauth.AuthMethod
	GrantTypes     []oauth.GrantType
	RedirectURIs   []string `db:"redirect_uris"`
	PostLogoutURIs []string `db:"post_logout_redirect_uris"`
	AllowedOrigins []string
	Scope          []string
	Audience       []string
	AccessTTL      int `db:"access_ttl"`
	RefreshTTL     int `db:"refresh_ttl"`
	FirstParty     bool
	ResourceServer bool
	PKCEOptional   bool `db:"pkce_optional"`
	RequirePushed  bool `db:"require_pushed_requests"`
	Epoch          int64
	EndedAt        *time.Time
	DisabledAt     *time.Time
	CreatedAt      time.Time
	JWKS           string `db:"jwks"`
	JWKSURI        string `db:"jwks_uri"`
	Secrets        [][]byte
	SecretTimes    []time.Time
	Now            time.Time
}

func (r clientRow) client() oauth.Client {
	c := oauth.Client{
		ID: r.ClientID, Name: r.Name, AuthMethod: r.AuthMethod, GrantTypes: r.GrantTypes,
		RedirectURIs: r.RedirectURIs, PostLogoutRedirectURIs: r.PostLogoutURIs, AllowedOrigins: r.AllowedOrigins, Scopes: r.Scope, Audiences: r.Audience,
		AccessTTL: seconds(r.AccessTTL), RefreshTTL: seconds(r.RefreshTTL),
		FirstParty: r.FirstParty, ResourceServer: r.ResourceServer, PKCEOptional: r.PKCEOptional, RequirePushedRequests: r.RequirePushed, JWKS: r.JWKS, JWKSURI: r.JWKSURI,
		CreatedAt: r.CreatedAt, DisabledAt: r.DisabledAt, EndedAt: r.EndedAt, Epoch: r.Epoch,
	}
	for i, sum := range r.Secrets {
		c.Secrets = append(c.Secrets, oauth.ClientSecret{ID: secretID(sum), SHA256: sum, CreatedAt: r.SecretTimes[i]})
	}
	// Not by the statement, which has the order of slots from the primary key for nothing.
	slices.SortStableFunc(c.Secrets, func(a, b oauth.ClientSecret) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return c
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func secretID(sum []byte) string { return hex.EncodeToString(sum[:4]) }

const clientColumns = `
  c.client_id, c.name, c.auth_method, c.grant_types, c.redirect_uris, c.allowed_origins, c.scope, c.audience,
  coalesce(c.access_ttl, 0) as access_ttl, coalesce(c.refresh_ttl, 0) as refresh_ttl, c.first_party, c.resource_server,
  c.pkce_optional, c.require_pushed_requests, c.post_logout_redirect_uris, c.epoch, c.ended_at, c.disabled_at, c.created_at, c.jwks, c.jwks_uri,
  array(select s.sha256 from authd.client_secrets s where s.client_id = c.client_id order by s.slot) as secrets,
  array(select s.created_at from authd.client_secrets s where s.client_id = c.client_id order by s.slot) as secret_times,
  authd.clock() as now`

const readClient = `select` + clientColumns + ` from authd.clients c where c.client_id = $1 and c.deleted_at is null`

// Client reads a registration and the database's time. It returns [ErrNotFound] for one
// that was never made or is deleted.
func (d *DB) Client(ctx context.Context, id string) (oauth.Client, time.Time, error) {
	row, err := one[clientRow](ctx, d, "read client", readClient, id)
	return row.client(), row.Now, err
}

const listClients = `select` + clientColumns + ` from authd.clients c where c.deleted_at is null order by c.client_id`

// Clients lists all registrations by identifier.
func (d *DB) Clients(ctx context.Context) ([]oauth.Client, error) {
	rows, err := all[clientRow](ctx, d, "list clients", listClients)
	clients := make([]oauth.Client, len(rows))
	for i, row := range rows {
		clients[i] = row.client()
	}
	return clients, err
}

// A namesake of a deleted client takes its row over with a later epoch, so that nothing
// which the old one was given works for the new one.
const createClient = `
with made as (
  insert into authd.clients as c (client_id, name, auth_method, grant_types, redirect_uris, allowed_origins, scope,
    audience, access_ttl, refresh_ttl, first_party, resource_server, pkce_optional, jwks, jwks_uri, post_logout_redirect_uris,
    require_pushed_requests)
  values ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, 0), nullif($10, 0), $11, $12, $14, $15, $16, $17, $18)
  on conflict (client_id) do update set
    name = excluded.name, auth_method = excluded.auth_method, grant_types = excluded.grant_types,
    redirect_uris = excluded.redirect_uris, allowed_origins = excluded.allowed_origins, scope = excluded.scope,
    audience = excluded.audience, access_ttl = excluded.access_ttl, refresh_ttl = excluded.refresh_ttl,
    first_party = excluded.first_party, resource_server = excluded.resource_server, pkce_optional = excluded.pkce_optional,
    jwks = excluded.jwks, jwks_uri = excluded.jwks_uri, post_logout_redirect_uris = excluded.post_logout_redirect_uris,
    require_pushed_requests = excluded.require_pushed_requests,
    epoch = c.epoch + 1, ended_at = ` + nextSecond + `, disabled_at = null, deleted_at = null, created_at = authd.clock()
  where c.deleted_at is not null
  returning c.client_id, c.created_at
), secret as (
  insert into authd.client_secrets (client_id, slot, sha256)
  select client_id, 1, $13::bytea from made where $13::bytea is not null
)
select created_at from made`

// nextSecond is now, rounded up: tokens carry whole seconds, and each one with a smaller
// iat than this was made before.
const nextSecond = `date_trunc('second', authd.clock() + interval '999999 microseconds')`

// CreateClient registers c, with the hash of its first secret if it has one, and returns
// when. It returns [ErrExists] if the identifier is taken.
func (d *DB) CreateClient(ctx context.Context, c *oauth.Client, secretSHA256 []byte) (time.Time, error) {
	row, err := write[struct{ CreatedAt time.Time }](ctx, d, "create client", createClient,
		c.ID, c.Name, c.AuthMethod, list(c.GrantTypes), list(c.RedirectURIs), list(c.AllowedOrigins), list(c.Scopes),
		list(c.Audiences), int(c.AccessTTL/time.Second), int(c.RefreshTTL/time.Second), c.FirstParty, c.ResourceServer,
		secretSHA256, c.PKCEOptional, c.JWKS, c.JWKSURI, list(c.PostLogoutRedirectURIs), c.RequirePushedRequests)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("create client: %w", ErrExists)
	}
	return row.CreatedAt, err
}

// list keeps nil out of columns that are not null.
func list[T any](s []T) []T { return append([]T{}, s...) }

const updateClient = `
update authd.clients c set name = $2, grant_types = $3, redirect_uris = $4, allowed_origins = $5, scope = $6,
  audience = $7, access_ttl = nullif($8, 0), refresh_ttl = nullif($9, 0), first_party = $10, resource_server = $11,
  auth_method = $12, pkce_optional = $13, jwks = $14, jwks_uri = $15, post_logout_redirect_uris = $16,
  require_pushed_requests = $17
where client_id = $1 and deleted_at is null
returning` + clientColumns

// UpdateClient replaces what may change of a registration: all but identifier, secrets
// and state. It returns [ErrNotFound] if there is none.
func (d *DB) UpdateClient(ctx context.Context, c *oauth.Client) (oauth.Client, error) {
	row, err := write[clientRow](ctx, d, "update client", updateClient,
		c.ID, c.Name, list(c.GrantTypes), list(c.RedirectURIs), list(c.AllowedOrigins), list(c.Scopes), list(c.Audiences),
		int(c.AccessTTL/time.Second), int(c.RefreshTTL/time.Second), c.FirstParty, c.ResourceServer, c.AuthMethod, c.PKCEOptional,
		c.JWKS, c.JWKSURI, list(c.PostLogoutRedirectURIs), c.RequirePushedRequests)
	return row.client(), err
}

const deleteClient = `
with gone as (
  update authd.clients set deleted_at = authd.clock(), epoch = epoch + 1, ended_at = ` + nextSecond + `
  where client_id = $1 and deleted_at is null
  returning client_id
), secrets as (
  delete from authd.client_secrets s using gone where s.client_id = gone.client_id
)
select client_id from gone`

// DeleteClient ends the client's tokens, forgets its secrets, and frees the identifier.
func (d *DB) DeleteClient(ctx context.Context, id string) error {
	_, err := write[clientID](ctx, d, "delete client", deleteClient, id)
	return err
}

type clientID struct{ ClientID string }

const disableClient = `
update authd.clients set disabled_at = coalesce(disabled_at, authd.clock()), epoch = epoch + 1, ended_at = ` + nextSecond + `
where client_id = $1 and deleted_at is null
returning client_id`

// DisableClient ends the client's tokens and refuses it until [DB.EnableClient].
func (d *DB) DisableClient(ctx context.Context, id string) error {
	_, err := write[clientID](ctx, d, "disable client", disableClient, id)
	return err
}

const enableClient = `
update authd.clients set disabled_at = null where client_id = $1 and deleted_at is null returning client_id`

// EnableClient revives the client, but none of the tokens that disabling it ended.
func (d *DB) EnableClient(ctx context.Context, id string) error {
	_, err := write[clientID](ctx, d, "enable client", enableClient, id)
	return err
}

const endClient = `
update authd.clients set epoch = epoch + 1, ended_at = ` + nextSecond + `
where client_id = $1 and deleted_at is null
returning client_id`

// EndClient ends all that the client was ever given, in one row.
func (d *DB) EndClient(ctx context.Context, id string) error {
	_, err := write[clientID](ctx, d, "end client", endClient, id)
	return err
}

// The lowest free slot; the primary key decides between two callers at once.
const addSecret = `
insert into authd.client_secrets (client_id, slot, sha256)
select c.client_id, (select min(n) from generate_series(1, 2) n where not exists (
    select from authd.client_secrets s where s.client_id = c.client_id and s.slot = n)), $2
from authd.clients c
where c.client_id = $1 and c.deleted_at is null and c.auth_method <> 'none'
returning created_at`

// AddClientSecret returns [ErrTwoSecrets] if there are two already and [ErrNotFound] if
// there is no such confidential client.
func (d *DB) AddClientSecret(ctx context.Context, id string, sha256 []byte) (oauth.ClientSecret, error) {
	row, err := write[struct{ CreatedAt time.Time }](ctx, d, "add client secret", addSecret, id, sha256)
	if errors.Is(err, ErrExists) || hasNoSlot(err) {
		err = fmt.Errorf("add client secret: %w", ErrTwoSecrets)
	}
	return oauth.ClientSecret{ID: secretID(sha256), SHA256: sha256, CreatedAt: row.CreatedAt}, err
}

// With both slots taken, the lowest free one is null.
func hasNoSlot(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == notNullViolation && pg.ColumnName == "slot"
}

const removeSecret = `
delete from authd.client_secrets
where client_id = $1 and encode(substring(sha256 for 4), 'hex') = $2
returning client_id`

// RemoveClientSecret takes a secret by its identifier out of use at once.
func (d *DB) RemoveClientSecret(ctx context.Context, id, secretID string) error {
	_, err := write[clientID](ctx, d, "remove client secret", removeSecret, id, secretID)
	return err
}

const publicOrigin = `
select exists (select from authd.clients c
  where c.auth_method = 'none' and c.disabled_at is null and c.deleted_at is null
    and ($1 = any (c.allowed_origins) or exists (select from unnest(c.redirect_uris) u
      where u = $1 or starts_with(u, $1 || '/') or starts_with(u, $1 || '?')))) as known`

// PublicOrigin reports whether pages of this origin belong to a public client: whether
// a browser may let them read answers of the token endpoint.
func (d *DB) PublicOrigin(ctx context.Context, origin string) (bool, error) {
	row, err := one[struct{ Known bool }](ctx, d, "look up origin", publicOrigin, origin)
	return row.Known, err
}
