package tokens

import (
	"context"

	"github.com/go-authd/authd/internal/db"
)

// EndFamilyOf ends a family at the wish of its subject, whom the caller knows. An unknown
// one and somebody else's are no error, and nothing happens.
func (s *Service) EndFamilyOf(ctx context.Context, subject, id string) error {
	err := s.ending(ctx, subject, func() (bool, error) {
		rev, err := s.db.RevokeFamilyOf(ctx, subject, id, ReasonSubject)
		if rev.Ended {
			s.tellEnded(ctx, rev)
		}
		return true, err
	})
	if isNotFound(err) {
		return nil
	}
	return err
}

// EndFamiliesOf ends the families of the subject at one client, or all of them ("").
func (s *Service) EndFamiliesOf(ctx context.Context, subject, client string) error {
	return s.ending(ctx, subject, func() (bool, error) {
		revs, err := s.db.RevokeFamiliesOf(ctx, subject, client, ReasonSubject)
		for _, rev := range revs {
			s.tellEnded(ctx, rev)
		}
		return len(revs) < db.RevokedAtOnce, err
	})
}
