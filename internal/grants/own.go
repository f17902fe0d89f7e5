package grants

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

const (
	// maxShown bounds each list of an account.
	maxShown = 1000
	// recent is how long after a sign-in a session may do what would lock its owner out: as
	// long as an access token straight from a sign-in does by default.
	recent = 10 * time.Minute
)

// Own is the account of who is signed in.
type Own struct {
	db.OwnAccount
	Session oauth.Session
}

var errSignedOut = oauth.Errorf(oauth.LoginRequired, "nobody is signed in")

// Account reads the account of who is signed in. It refuses with [oauth.LoginRequired].
func (s *Service) Account(ctx context.Context, b Browser) (Own, error) {
	session, err := s.ownSession(ctx, b)
	if err != nil {
		return Own{}, err
	}
	own, err := s.cfg.DB.OwnAccount(ctx, session.Subject, maxShown)
	return Own{own, session}, err
}

// EndDevice ends a family or a session of who is signed in, by the name that [DeviceID] and
// lists give it. An unknown one and somebody else's are no error, and nothing happens. It
// refuses with [oauth.LoginRequired], and with [oauth.NotFresh] to end another than the own
// session long after the sign-in: who finds a browser open must not lock its owner out.
func (s *Service) EndDevice(ctx context.Context, b Browser, id string) error {
	session, err := s.ownSession(ctx, b)
	if err != nil {
		return err
	}
	if id != DeviceID(session) {
		if err := s.checkRecent(ctx, session); err != nil {
			return err
		}
	}
	sha256, err := hex.DecodeString(id)
	if err != nil { // a family's has dashes
		return s.cfg.Tokens.EndFamilyOf(ctx, session.Subject, id)
	}
	err = s.cfg.DB.EndSessionOf(ctx, session.Subject, sha256)
	if isNotFound(err) {
		return nil
	}
	return err
}

// DeviceID names a session to its owner. It is no cookie: that cannot be made of it.
func DeviceID(session oauth.Session) string { return hex.EncodeToString(session.SHA256) }

// EndOtherDevices ends all families and all other sessions of who is signed in. It refuses
// as [Service.EndDevice]. The sessions go first: their codes can begin no family any more.
func (s *Service) EndOtherDevices(ctx context.Context, b Browser) error {
	session, err := s.recentSession(ctx, b)
	if err != nil {
		return err
	}
	if err := s.cfg.DB.EndOtherSessions(ctx, session.Subject, session.SHA256); err != nil {
		return err
	}
	return s.endFamilies(ctx, session, "")
}

// RemoveConsent takes back what who is signed in has allowed a client, and ends the families
// that came of it. It refuses as [Service.EndDevice].
func (s *Service) RemoveConsent(ctx context.Context, b Browser, client string) error {
	session, err := s.recentSession(ctx, b)
	if err != nil || client == "" {
		return err
	}
	if err := s.cfg.DB.RemoveConsent(ctx, session.Subject, client); err != nil {
		return err
	}
	return s.endFamilies(ctx, session, client)
}

// endFamilies tells of a success that stays, also where an earlier call ended the families.
func (s *Service) endFamilies(ctx context.Context, session oauth.Session, client string) error {
	if err := s.cfg.Tokens.EndFamiliesOf(ctx, session.Subject, client); err != nil {
		return err
	}
	err := s.cfg.DB.ConfirmSession(ctx, session.SHA256)
	if isNotFound(err) { // ended meanwhile, by which all was committed
		return nil
	}
	return err
}

// ChangeOwnPassword ends all families and sessions of who is signed in, and signs them in
// anew. It refuses with [oauth.LoginRequired], and as [Service.ChangePassword] does; the
// current password proves more than a recent sign-in would.
func (s *Service) ChangeOwnPassword(ctx context.Context, b Browser, password, newPassword string) (session string, err error) {
	own, err := s.ownSession(ctx, b)
	if err != nil {
		return "", err
	}
	who, err := s.cfg.Accounts.ChangePassword(ctx, own.Username, password, newPassword)
	if err != nil {
		return "", err
	}
	return s.startSession(ctx, who, own.Username, b)
}

func (s *Service) ownSession(ctx context.Context, b Browser) (oauth.Session, error) {
	if b.Session == "" {
		return oauth.Session{}, errSignedOut
	}
	session, err := s.cfg.DB.UseSession(ctx, oauth.SecretOf(b.Session).SHA256)
	if isNotFound(err) {
		err = errSignedOut
	}
	return session, err
}

func (s *Service) recentSession(ctx context.Context, b Browser) (oauth.Session, error) {
	session, err := s.ownSession(ctx, b)
	if err != nil {
		return session, err
	}
	return session, s.checkRecent(ctx, session)
}

// checkRecent asks the database's clock, by which the session was made.
func (s *Service) checkRecent(ctx context.Context, session oauth.Session) error {
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return err
	}
	if now.Sub(session.AuthTime) >= recent {
		return oauth.Errorf(oauth.NotFresh, "sign in again to do this")
	}
	return nil
}
