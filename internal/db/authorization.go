package db

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// ErrQuota: too many requests of one origin are parked.
var ErrQuota = errors.New("too many parked authorization requests")

const (
	// parkedLife is how long a person has to sign in and consent.
	parkedLife = `interval '15 minutes'`
	// parkedQuota bounds the parked requests of one origin. Many people may share one.
	parkedQuota = `1000`
	// codeLife is as RFC 6749 §4.1.2 has it, much less than its maximum.
	codeLife = `interval '60 seconds'`
)

// Parked is an authorization request that waits for a person.
type Parked struct {
	oauth.AuthorizationRequest
	ClientEpoch int64
	CreatedAt   time.Time
}

// PushedLife is how long a browser has to come with a pushed request. A redirect takes a
// second; a telephone that opens its browser first, over a bad network, takes some. Until
// then the request counts for its origin's quota, and whoever saw the request_uri could come
// first.
const PushedLife = 90 * time.Second

// NewParked says of a request where it began.
type NewParked struct {
	SHA256        []byte // of its identifier
	BrowserSHA256 []byte // of the browser's cookie; nil for a pushed request
	ClientEpoch   int64
	Address       netip.Addr // the zero value where none is kept: no quota
}

const (
	parkRequest = `
insert into authd.authorization_requests (sha256, browser_sha256, origin, client_id, client_epoch, redirect_uri, response_mode,
  state, scope, resource, code_challenge, nonce, prompt, max_age, login_hint, ui_locales, expires_at, subject_hint)
select $2, $3, $1::cidr, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  authd.clock() + case when $3::bytea is null then make_interval(secs => $18) else ` + parkedLife + ` end, $17
where ` + hasRoom + `
returning created_at`

	// Of the origin $1.
	hasRoom = `(select count(*) from (select from authd.authorization_requests r
  where r.origin = $1::cidr and r.expires_at > (select authd.clock()) limit ` + parkedQuota + `) q) < ` + parkedQuota
)

// Park keeps a request until it is answered, or a pushed one until a browser comes with it.
// It returns [ErrQuota].
func (d *DB) Park(ctx context.Context, n NewParked, r *oauth.AuthorizationRequest) error {
	_, err := write[struct{ CreatedAt time.Time }](ctx, d, "park authorization request", parkRequest,
		origin(n.Address), n.SHA256, n.BrowserSHA256, r.ClientID, n.ClientEpoch, r.RedirectURI, r.ResponseMode, r.State,
		list(r.Scopes), r.Resource, r.Challenge, r.Nonce, list(r.Prompt), r.MaxAge, r.LoginHint, r.UILocales, r.SubjectHint,
		int(PushedLife/time.Second))
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("park authorization request: %w", ErrQuota)
	}
	return err
}

const parkedColumns = ` r.client_id, r.client_epoch, r.redirect_uri, r.response_mode, r.state, r.scope, r.resource, r.code_challenge, r.nonce,
  r.prompt, r.max_age, r.login_hint, r.ui_locales, r.subject_hint, r.created_at`

const readParked = `
select` + parkedColumns + `
from authd.authorization_requests r
where r.sha256 = $1 and r.browser_sha256 = $2 and r.expires_at > authd.clock()`

type parkedRow struct {
	ClientID      string
	ClientEpoch   int64
	RedirectURI   string
	ResponseMode  oauth.ResponseMode
	State         string
	Scope         []string
	Resource      string
	CodeChallenge string
	Nonce         string
	Prompt        []string
	MaxAge        *int
	LoginHint     string
	UILocales     string `db:"ui_locales"`
	SubjectHint   string
	CreatedAt     time.Time
}

// Parked reads a request that began in this browser. It returns [ErrNotFound] for one that
// is unknown, expired, answered, or another browser's.
func (d *DB) Parked(ctx context.Context, sha256, browserSHA256 []byte) (Parked, error) {
	r, err := one[parkedRow](ctx, d, "read authorization request", readParked, sha256, browserSHA256)
	return r.parked(), err
}

func (r parkedRow) parked() Parked {
	return Parked{oauth.AuthorizationRequest{
		ClientID: r.ClientID, RedirectURI: r.RedirectURI, ResponseMode: r.ResponseMode, State: r.State, Scopes: r.Scope,
		Resource: r.Resource, Challenge: r.CodeChallenge, Nonce: r.Nonce, Prompt: r.Prompt, MaxAge: r.MaxAge,
		LoginHint: r.LoginHint, UILocales: r.UILocales, SubjectHint: r.SubjectHint,
	}, r.ClientEpoch, r.CreatedAt}
}

// The first browser that comes with a pushed request begins it, and it then counts for that
// browser's origin. The same browser may come again, as with a reload; of two at once, the
// one that waits for the row finds the other's.
const takeUpRequest = `
update authd.authorization_requests r set browser_sha256 = $3, origin = $1::cidr,
  created_at = case when r.browser_sha256 is null then authd.clock() else r.created_at end,
  expires_at = case when r.browser_sha256 is null then authd.clock() + ` + parkedLife + ` else r.expires_at end
where r.sha256 = $2 and r.client_id = $4 and r.expires_at > authd.clock()
  and (r.browser_sha256 = $3 or r.browser_sha256 is null and ` + hasRoom + `)
returning` + parkedColumns

// TakeUp binds a request that client pushed to a browser. It returns [ErrNotFound] for one
// that is unknown, expired, answered, another client's, or in another browser, and
// [ErrQuota].
func (d *DB) TakeUp(ctx context.Context, n NewParked, client string) (Parked, error) {
	r, err := write[parkedRow](ctx, d, "take up pushed request", takeUpRequest,
		origin(n.Address), n.SHA256, n.BrowserSHA256, client)
	if errors.Is(err, ErrNotFound) {
		err = d.whyNotTakenUp(ctx, n)
	}
	return r.parked(), err
}

const originHasRoom = `select ` + hasRoom + ` as yes`

func (d *DB) whyNotTakenUp(ctx context.Context, n NewParked) error {
	row, err := one[struct{ Yes bool }](ctx, d, "count parked requests", originHasRoom, origin(n.Address))
	switch {
	case err != nil:
		return err
	case !row.Yes:
		return fmt.Errorf("take up pushed request: %w", ErrQuota)
	}
	return ErrNotFound
}

const dropParked = `
delete from authd.authorization_requests r
where r.sha256 = $1 and r.browser_sha256 = $2 and r.expires_at > authd.clock()
returning r.client_id`

// DropParked takes a request back that will not get a code. Of any number of concurrent
// answers to one request exactly one is given; the others get [ErrNotFound].
func (d *DB) DropParked(ctx context.Context, sha256, browserSHA256 []byte) error {
	_, err := write[clientID](ctx, d, "drop authorization request", dropParked, sha256, browserSHA256)
	return err
}

// NewCode is what a code is made for.
type NewCode struct {
	SHA256      []byte
	Request     *oauth.AuthorizationRequest
	Scopes      oauth.Scopes // that the gate let through
	ClientEpoch int64
	Session     []byte
	// Parked and Browser name the request that the code answers; nil for one that nobody
	// had to be asked about.
	Parked, Browser []byte
	// Consented: the subject was asked just now, and that is remembered. OfConsent: it was
	// asked earlier, and the code is made only if it has taken nothing back since.
	Consented, OfConsent bool
}

// One statement, so that a parked request is answered once, whoever asks how often. The
// deletion waits for a concurrent one and then finds nothing. The lock on the consent orders
// the code and the consent's end: either it is seen to be gone, or it ends after the code was
// committed, and then ends that, too (removeConsent).
const insertCode = `
with allowed as (
  select s.sha256, s.subject, s.user_epoch, s.auth_time, s.amr, s.acr
  from authd.clients c, authd.sessions s
  where c.client_id = $2 and c.epoch = $3 and c.disabled_at is null and c.deleted_at is null
    and s.sha256 = $9 and ` + liveSession + `
    and (not $13 or exists (select from authd.consents k
      where k.subject = s.subject and k.client_id = $2 and k.client_epoch = $3 and k.scope @> $7 for key share))
), answered as (
  delete from authd.authorization_requests r using allowed
  where r.sha256 = $10 and r.browser_sha256 = $11 and r.expires_at > authd.clock()
  returning true as yes
), going as (
  select a.* from allowed a where $10::bytea is null or exists (select from answered)
), consented as (
  insert into authd.consents as k (subject, client_id, client_epoch, scope)
  select g.subject, $2, $3, $7 from going g where $12
  on conflict (subject, client_id) do update set granted_at = excluded.granted_at, client_epoch = excluded.client_epoch,
    scope = case when k.client_epoch = excluded.client_epoch
      then array(select distinct v from unnest(k.scope || excluded.scope) v) else excluded.scope end
)
insert into authd.authorization_codes (sha256, client_id, client_epoch, redirect_uri, code_challenge, nonce, subject, user_epoch,
  session_sha256, scope, resource, auth_time, amr, acr, expires_at)
select $1, $2, $3, $4, $5, $6, g.subject, g.user_epoch, g.sha256, $7, $8, g.auth_time, g.amr, g.acr, authd.clock() + ` + codeLife + `
from going g
returning (select count(*) from (select from authd.authorization_codes c
  where c.client_id = $2 and c.code_challenge = $5 and c.code_challenge <> '' limit 4) q) as same_challenge`

// InsertCode returns [ErrNotFound] if the request was answered already, or the session, the
// client or the consent has ended. sameChallenge is how many codes of the client that are not
// deleted yet, which they are after an hour, have the same challenge: up to 4, and 0 without
// one.
func (d *DB) InsertCode(ctx context.Context, n NewCode) (sameChallenge int, err error) {
	r := n.Request
	row, err := write[struct{ SameChallenge int }](ctx, d, "insert authorization code", insertCode,
		n.SHA256, r.ClientID, n.ClientEpoch, r.RedirectURI, r.Challenge, r.Nonce, list(n.Scopes), r.Resource,
		n.Session, n.Parked, n.Browser, n.Consented, n.OfConsent)
	return row.SameChallenge, err
}
