package db

import (
	"context"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/oauth"
)

// Exchange is a transaction that holds the lock on one authorization code. Exactly one of
// Redeem, Guess, Replay and Rollback ends it.
type Exchange struct {
	tx *Rotation

	// Client and Code are nil where there is no such row.
	Client *oauth.Client
	Code   *oauth.CodeGrant
	// SessionLives: the session that the code came from was not ended, nor its subject.
	SessionLives bool
	SessionID    string
	// Device is where the session's sign-in came from.
	Device oauth.Device
	Now    time.Time
}

const (
	lockCode = `
select c.client_id, c.client_epoch, c.redirect_uri, c.code_challenge, c.nonce, c.subject, c.user_epoch, c.scope, c.resource,
  c.auth_time, c.amr, c.acr, c.expires_at, c.wrong_guesses, c.consumed_at, c.family_id::text
from authd.authorization_codes c where c.sha256 = $1 for update`
	// The lock orders this exchange and the end of its session: either the session is seen
	// to be over, or it ends after the family was committed.
	lockCodeSession = `
select s.session_id::text, s.address, coalesce(s.user_agent, '') as user_agent
from authd.sessions s
where s.sha256 = (select c.session_sha256 from authd.authorization_codes c where c.sha256 = $1) and ` + liveSession + `
for key share of s`
	readClock = `select authd.clock() as now`
)

type codeRow struct {
	ClientID      string
	ClientEpoch   int64
	RedirectURI   string
	CodeChallenge string
	Nonce         string
	Subject       string
	UserEpoch     int64
	Scope         []string
	Resource      string
	AuthTime      time.Time
	AMR           []string `db:"amr"`
	ACR           string   `db:"acr"`
	ExpiresAt     time.Time
	WrongGuesses  int
	ConsumedAt    *time.Time
	FamilyID      *string
}

func (r codeRow) code() *oauth.CodeGrant {
	return &oauth.CodeGrant{
		ClientID: r.ClientID, ClientEpoch: r.ClientEpoch, RedirectURI: r.RedirectURI, Challenge: r.CodeChallenge,
		Nonce: r.Nonce, Subject: r.Subject, UserEpoch: r.UserEpoch, Scopes: r.Scope, Resource: r.Resource,
		AuthTime: r.AuthTime, AMR: r.AMR, ACR: r.ACR, ExpiresAt: r.ExpiresAt, Guesses: r.WrongGuesses,
		ConsumedAt: r.ConsumedAt, FamilyID: r.FamilyID,
	}
}

// BeginExchange locks the code and then reads the state of its session and of the client
// that asks, in one round trip. It returns [ErrLocked] as a rotation does.
func (d *DB) BeginExchange(ctx context.Context, sha256 []byte, client string) (*Exchange, error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	x := &Exchange{tx: &Rotation{conn: conn}}
	if err := x.begin(ctx, sha256, client); err != nil {
		x.Rollback(ctx)
		return nil, lockFault("lock authorization code", err)
	}
	return x, nil
}

func (x *Exchange) begin(ctx context.Context, sha256 []byte, client string) error {
	var b pgx.Batch
	b.Queue(beginRotation)
	b.Queue(boundRotation)
	b.Queue(lockCode, sha256).Query(func(rows pgx.Rows) error {
		row, err := optional[codeRow](rows)
		if row != nil {
			x.Code = row.code()
		}
		return err
	})
	b.Queue(readClient, client).Query(func(rows pgx.Rows) error {
		row, err := optional[clientRow](rows)
		if row != nil {
			c := row.client()
			x.Client = &c
		}
		return err
	})
	b.Queue(lockCodeSession, sha256).Query(func(rows pgx.Rows) error {
		row, err := optional[struct {
			SessionID string
			Address   *netip.Addr
			UserAgent string
		}](rows)
		if row != nil {
			x.SessionLives, x.SessionID, x.Device = true, row.SessionID, device(row.Address, row.UserAgent)
		}
		return err
	})
	b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(&x.Now) })
	return x.tx.conn.SendBatch(ctx, &b).Close()
}

// Consumed by the family, and only if there is one.
const consumeCode = `
update authd.authorization_codes set consumed_at = authd.clock(), family_id = $2
where sha256 = $1 and exists (select from authd.token_families f where f.id = $2)`

// Redeem consumes the code and begins its family, in one commit. It returns [ErrNotFound],
// and nothing is consumed, if the subject or the client was ended meanwhile.
func (x *Exchange) Redeem(ctx context.Context, sha256 []byte, n NewFamily) (f oauth.Family, now time.Time, err error) {
	var found *struct {
		familyRow
		Now time.Time
	}
	var b pgx.Batch
	b.Queue(insertFamily, n.arguments()...).Query(func(rows pgx.Rows) (err error) {
		found, err = optional[struct {
			familyRow
			Now time.Time
		}](rows)
		return err
	})
	b.Queue(consumeCode, sha256, n.ID)
	if x.isToBeTold(&n) {
		b.Queue(joinSession, n.ID)
	}
	if err := x.commit(ctx, &b); err != nil {
		return f, now, err
	}
	if found == nil {
		return f, now, ErrNotFound
	}
	return found.family(), found.Now, nil
}

// isToBeTold reports whether the client wants to hear of the end of the session, of which its
// ID tokens tell (OIDC Back-Channel Logout §2.1).
func (x *Exchange) isToBeTold(n *NewFamily) bool {
	return n.SessionID != "" && n.Scopes.Has(oauth.ScopeOpenID) && x.Client.BackchannelLogoutURI != ""
}

const guessCode = `update authd.authorization_codes set wrong_guesses = wrong_guesses + 1 where sha256 = $1`

// Guess counts an attempt that was wrong, and commits.
func (x *Exchange) Guess(ctx context.Context, sha256 []byte) error {
	var b pgx.Batch
	b.Queue(guessCode, sha256)
	return x.commit(ctx, &b)
}

const endCodeFamily = `
update authd.token_families set revoked_at = authd.clock(), revoked_reason = $2
where id = $1 and revoked_at is null
returning id::text`

// Replay ends the family that came of the code and commits: only after that may the caller
// be refused. ended is false where it had ended before, which the commit then confirms.
func (x *Exchange) Replay(ctx context.Context, reason string) (ended bool, err error) {
	var b pgx.Batch
	b.Queue(endCodeFamily, *x.Code.FamilyID, reason).Query(func(rows pgx.Rows) error {
		row, err := optional[struct{ ID string }](rows)
		ended = row != nil
		return err
	})
	return ended, x.commit(ctx, &b)
}

func (x *Exchange) commit(ctx context.Context, b *pgx.Batch) error {
	ctx, cancel := writing(ctx)
	defer cancel()
	defer x.Rollback(ctx)
	return x.tx.send(ctx, b, "exchange authorization code", rotationFault)
}

// Rollback gives the lock up; after the end of the transaction it does nothing.
func (x *Exchange) Rollback(ctx context.Context) { x.tx.Rollback(ctx) }
