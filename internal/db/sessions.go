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
// throttle forgets the account's failures in the same commit.
const insertSession = `
with forgiven as (
  delete from authd.login_attempts where account = $10
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
		address(n.Device), n.Device.UserAgent, n.Account, n.Replaces)
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

const readConsent = `
select c.scope from authd.consents c where c.subject = $1 and c.client_id = $2 and c.client_epoch = $3`

// Consent returns what the subject has allowed the client in this epoch of it, and
// [ErrNotFound] if it was never asked.
func (d *DB) Consent(ctx context.Context, subject, client string, epoch int64) (oauth.Scopes, error) {
	row, err := one[struct{ Scope []string }](ctx, d, "read consent", readConsent, subject, client, epoch)
	return row.Scope, err
}

// origin is the network that shares a quota: an IPv4 address, and of IPv6 the 64 bits that
// one connection is given. Nil: no address is kept.
func origin(a netip.Addr) *netip.Prefix {
	if !a.IsValid() {
		return nil
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return nil
	}
	return &p
}

const endSession = `delete from authd.sessions where sha256 = $1 returning subject`

// EndSession returns [ErrNotFound] for one that is over already.
func (d *DB) EndSession(ctx context.Context, sha256 []byte) error {
	_, err := writeCommitted[struct{ Subject string }](ctx, d, "end session", endSession, sha256)
	return err
}
