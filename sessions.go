package authd

import (
	"context"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// maxListed bounds the lists of one person's sessions and consents.
const maxListed = 1000

// Session is somebody signed in, in one browser.
type Session struct {
	// ID stays the same when the person proves again who they are. It is no cookie.
	ID, Subject string
	Username    string // how pages call the person
	AuthTime    time.Time
	CreatedAt   time.Time
	LastUsedAt  time.Time
	ExpiresAt   time.Time // unless it is used before
	// Device is where the sign-in came from; zero where that was not kept.
	Device Device
}

// Sessions lists the browsers in which the subject is signed in, the newest first, at most
// 1000. [Admin.Families] lists the other half: the applications.
func (a *Admin) Sessions(ctx context.Context, subject string) ([]Session, error) {
	list, err := a.db.Sessions(ctx, subject, maxListed)
	return convert(list, publicSession), err
}

// EndSession does what a sign-out in that browser does: it ends the session, codes of it that
// are not used yet, and the families that OpenID Connect ties to it, those with openid and
// without offline_access. It returns [ErrNotFound] for one that is over, and for another
// subject's.
func (a *Admin) EndSession(ctx context.Context, subject, id string) error {
	session, err := a.db.SessionOf(ctx, subject, id)
	if err != nil {
		return err
	}
	ended, err := a.db.SignOut(ctx, session.SHA256, session.ID, "", reasonOperator)
	if err != nil {
		return err
	}
	if len(ended.Sessions) == 0 { // somebody else did in between
		return ErrNotFound
	}
	for _, s := range ended.Sessions {
		a.emit(ctx, SessionEnded{s.ID, s.Subject, reasonOperator})
	}
	a.tellRevoked(ctx, ended.Families)
	return nil
}

// Consent is what a person has allowed a client, in the browser.
type Consent struct {
	Subject, ClientID string
	Scopes            []string
	AllowedAt         time.Time
}

// Consents lists what the subject has allowed, the newest first, at most 1000.
func (a *Admin) Consents(ctx context.Context, subject string) ([]Consent, error) {
	list, err := a.db.Consents(ctx, subject, maxListed)
	return convert(list, func(c oauth.Consent) Consent { return Consent{subject, c.ClientID, c.Scopes, c.AllowedAt} }), err
}

// WithdrawConsent takes back what the subject has allowed the client, with the codes that the
// client has not used yet and the families that it has of the subject, and the client has to
// ask again. It returns [ErrNotFound] where there was none of these. An error may have ended a
// part of them; calling again goes on.
func (a *Admin) WithdrawConsent(ctx context.Context, subject, clientID string) error {
	if clientID == "" { // would be all of them
		return ErrNotFound
	}
	removed, err := a.db.RemoveConsent(ctx, subject, clientID)
	if err != nil {
		return err
	}
	if removed {
		a.emit(ctx, ConsentWithdrawn{subject, clientID, reasonOperator})
	}
	ended := false
	for more := true; more; {
		revs, err := a.db.RevokeFamiliesOf(ctx, subject, clientID, reasonOperator)
		if err != nil {
			return err
		}
		a.tellRevoked(ctx, revs)
		ended, more = ended || len(revs) > 0, len(revs) == db.RevokedAtOnce
	}
	if !removed && !ended {
		return ErrNotFound
	}
	return nil
}

func (a *Admin) tellRevoked(ctx context.Context, revs []db.Revocation) {
	for _, rev := range revs {
		a.emit(ctx, FamilyRevoked{rev.FamilyID, rev.ClientID, rev.Subject, reasonOperator})
	}
}

func publicSession(s oauth.ListedSession) Session {
	return Session{
		ID: s.ID, Subject: s.Subject, Username: s.Username, AuthTime: s.AuthTime, CreatedAt: s.CreatedAt,
		LastUsedAt: s.LastUsedAt, ExpiresAt: s.ExpiresAt, Device: Device(s.Device),
	}
}
