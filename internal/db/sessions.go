package db

import (
	"context"
	"net/netip"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// A session ends a day after its last use, and a week after its sign-in in any case. That
// it was used is written at most once a minute.
const (
	sessionIdle = `interval '24 hours'`
	sessionLife = `interval '7 days'`
	// browserKnown is how long a browser without a sign-in is told from others; its cookie lasts
	// as long.
	browserKnown = `interval '90 days'`
)

// NewSession is what a sign-in in a browser leads to.
type NewSession struct {
	SHA256   []byte
	Username string
	oauth.Authentication
	// Replaces is the session that the browser had before; nil for none. It ends.
	Replaces []byte
}

// The same person in the same browser is the same session with a new cookie (OIDC Core
// §3.1.2.1: asked again). As a family, a session is not begun by a sign-in that was overtaken by an end. The
// throttle forgets the account's failures in the same commit, and knows the browser from now on:
// its row, which upkeep would delete a day after the last attempt, is dated ahead. A failure
// there puts it back to a day.
const insertSession = `
with forgiven as (
  delete from authd.login_attempts where account = $10
), known as (
  insert into authd.login_attempts as k (account, failures, blocked_until, updated_at)
  select $12, 0, authd.clock(), authd.clock() + ` + browserKnown + ` where $12::bytea is not null
  on conflict (account) do update set failures = 0, blocked_until = excluded.blocked_until, updated_at = excluded.updated_at
), ended as (
  delete from authd.sessions where sha256 = $11 returning subject, session_id
)
insert into authd.sessions (sha256, subject, username, user_epoch, auth_time, amr, acr, address, user_agent, expires_at, absolute_exp, session_id)
select $1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), authd.clock() + ` + sessionIdle + `, authd.clock() + ` + sessionLife + `,
  coalesce((select e.session_id from ended e where e.subject = $2), gen_random_uuid())
where $4 = coalesce((select s.epoch from authd.subjects s where s.subject = $2), 0)
  and not exists (select from authd.subjects s where s.subject = $2 and s.disabled_at is not null)
returning` + sessionColumns

const sessionColumns = ` sha256, session_id::text as id, subject, username, auth_time, created_at`

type sessionRow struct {
	SHA256              []byte `db:"sha256"`
	ID                  string
	Subject, Username   string
	AuthTime, CreatedAt time.Time
}

func (r sessionRow) session() oauth.Session { return oauth.Session(r) }

// InsertSession returns [ErrNotFound] if the subject has been ended or disabled since its
// epoch was read.
func (d *DB) InsertSession(ctx context.Context, n NewSession) (oauth.Session, error) {
	row, err := writeCommitted[sessionRow](ctx, d, "insert session", insertSession,
		n.SHA256, n.Subject, n.Username, n.Epoch, n.Time, list(n.AMR), n.ACR,
		address(n.Device), n.Device.UserAgent, n.Account, n.Replaces, n.KnownBrowser)
	return row.session(), err
}

// liveSession is the condition under which a session s counts.
const liveSession = `s.expires_at > authd.clock() and s.absolute_exp > authd.clock()
  and s.user_epoch = coalesce((select x.epoch from authd.subjects x where x.subject = s.subject), 0)
  and not exists (select from authd.subjects x where x.subject = s.subject and x.disabled_at is not null)`

const useSession = `
with used as (
  update authd.sessions s set last_used_at = authd.clock(), expires_at = least(authd.clock() + ` + sessionIdle + `, s.absolute_exp)
  where s.sha256 = $1 and s.last_used_at < authd.clock() - interval '1 minute' and ` + liveSession + `
)
select` + sessionColumns + ` from authd.sessions s where s.sha256 = $1 and ` + liveSession

// UseSession reads a session and notes its use. It returns [ErrNotFound] for one that is
// unknown, over, or of a subject that was ended or disabled.
func (d *DB) UseSession(ctx context.Context, sha256 []byte) (oauth.Session, error) {
	row, err := one[sessionRow](ctx, d, "use session", useSession, sha256)
	return row.session(), err
}

const sessionOf = `
select` + sessionColumns + ` from authd.sessions s where s.subject = $1 and s.session_id = $2::uuid and ` + liveSession + `
order by s.created_at desc limit 1`

// SessionOf returns [ErrNotFound] for somebody else's session, and for one that is over.
func (d *DB) SessionOf(ctx context.Context, subject, id string) (oauth.Session, error) {
	row, err := one[sessionRow](ctx, d, "read session", sessionOf, subject, id)
	return row.session(), err
}

const readConsent = `
select c.scope from authd.consents c where c.subject = $1 and c.client_id = $2 and c.client_epoch = $3`

// Consent returns what the subject has allowed the client in this epoch of it, and
// [ErrNotFound] if it was never asked.
func (d *DB) Consent(ctx context.Context, subject, client string, epoch int64) (oauth.Scopes, error) {
	row, err := one[struct{ Scope []string }](ctx, d, "read consent", readConsent, subject, client, epoch)
	return row.Scope, err
}

// origin is the network that shares a quota. Nil: no address is kept.
func origin(a netip.Addr) *netip.Prefix {
	if !a.IsValid() {
		return nil
	}
	return new(oauth.Network(a))
}

// EndedSession is one that a call ended.
type EndedSession struct{ ID, Subject string }

const endedSession = ` returning session_id::text as id, subject`

const endSession = `delete from authd.sessions where sha256 = $1` + endedSession

// EndSession returns [ErrNotFound] for one that is over already.
func (d *DB) EndSession(ctx context.Context, sha256 []byte) (EndedSession, error) {
	return writeCommitted[EndedSession](ctx, d, "end session", endSession, sha256)
}
