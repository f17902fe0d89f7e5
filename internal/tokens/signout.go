package tokens

import (
	"context"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// SignOut ends a browser's session, nil for none, and with it the families that OpenID
// Connect ties to it: those with the scope openid and without offline_access (OIDC
// Back-Channel Logout §2.7). family, "" for none, ends by the same rule whatever session it
// began in. Both are committed before SignOut returns; it returns the session if it ended it.
func (s *Service) SignOut(ctx context.Context, session *oauth.Session, family string) ([]db.EndedSession, error) {
	var sum []byte
	var id string
	if session != nil {
		sum, id = session.SHA256, session.ID
	}
	ended, err := s.db.SignOut(ctx, sum, id, family, ReasonLogout)
	if err != nil {
		return nil, err
	}
	for _, rev := range ended.Families {
		s.cfg.OnEvent(ctx, FamilyRevoked{FamilyID: rev.FamilyID, ClientID: rev.ClientID, Subject: rev.Subject, Reason: ReasonLogout})
	}
	return ended.Sessions, nil
}
