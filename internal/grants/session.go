package grants

import (
	"context"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// startSession keeps of the name what can be shown.
func (s *Service) startSession(ctx context.Context, who oauth.Authentication, username string, b Browser, client string) (string, error) {
	if err := checkSubject(who.Subject); err != nil {
		return "", err
	}
	session, err := oauth.NewSecret(s.cfg.Random)
	if err != nil {
		return "", err
	}
	who.Device = b.From
	if who.Name != "" {
		username = who.Name
	}
	n := db.NewSession{SHA256: session.SHA256, Username: oauth.Printable(username, maxShownName), Authentication: who}
	if b.Session != "" {
		n.Replaces = oauth.SecretOf(b.Session).SHA256
	}
	begun, err := s.cfg.DB.InsertSession(ctx, n)
	if n.Replaces != nil {
		s.cfg.OnSessionEnd() // also where the new one is refused
	}
	if isNotFound(err) {
		err = oauth.Errorf(oauth.InvalidCredentials, "user name or password is wrong").Because("ended during the sign-in")
	}
	if err != nil {
		return "", err
	}
	s.tell(ctx, SessionBegun{SessionID: begun.ID, Subject: begun.Subject, ClientID: client})
	return session.Text, nil
}

// EndSession ends a session, and with it the codes that came of it and are not used yet.
func (s *Service) EndSession(ctx context.Context, session string) error {
	ended, err := s.cfg.DB.EndSession(ctx, oauth.SecretOf(session).SHA256)
	return s.sessionsEnded(ctx, tokens.ReasonLogout, err, ended)
}

// sessionsEnded is where every end of sessions passes, once it is committed. It tells of those
// that this call ended; that one was over already is no error.
func (s *Service) sessionsEnded(ctx context.Context, reason string, err error, ended ...db.EndedSession) error {
	s.cfg.OnSessionEnd()
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range ended {
		s.tell(ctx, SessionEnded{SessionID: e.ID, Subject: e.Subject, Reason: reason})
	}
	return nil
}
