package authd

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/db"
)

// Family is what descends from one sign-in.
type Family struct {
	ID, Subject, ClientID string
	Scopes                []string
	Generation            int64
	CreatedAt             time.Time
	RotatedAt             *time.Time
	ExpiresAt             time.Time // unless it is refreshed before
	RevokedAt             *time.Time
	RevokedReason         string
	// First is where the sign-in came from, and Last the newest use, at RotatedAt or the
	// sign-in; zero where that was not kept.
	First, Last Device
}

// FamilyFilter narrows [Admin.Families]; zero fields do not.
type FamilyFilter struct {
	Subject, ClientID string
	// Dead also lists families that have ended: revoked, expired, or ended with their
	// subject or their client.
	Dead bool
	// Limit bounds the answer. Default and most: 1000.
	Limit int
}

// Families lists the newest first. With a Subject it is where a person is signed in.
func (a *Admin) Families(ctx context.Context, f FamilyFilter) ([]Family, error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 1000
	}
	list, err := a.db.Families(ctx, db.FamilyFilter(f))
	return convert(list, publicFamily), err
}

// RevokeFamily ends a family and the access tokens of it. It returns [ErrNotFound].
func (a *Admin) RevokeFamily(ctx context.Context, id string) error {
	rev, err := a.db.RevokeFamily(ctx, id, "", reasonOperator)
	if rev.Ended {
		a.emit(ctx, FamilyRevoked{rev.FamilyID, rev.ClientID, rev.Subject, reasonOperator})
	}
	return err
}

// RevokeFamilyTx is [Admin.RevokeFamily] in the host's own transaction: it is ended with
// the host's commit, which the host makes durable, and no event is sent.
func (a *Admin) RevokeFamilyTx(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := a.db.In(tx).RevokeFamily(ctx, id, "", reasonOperator)
	return err
}

// RevokeFamilyOf ends a family at the wish of its subject, and the access tokens of it. It
// returns [ErrNotFound] for a family of somebody else, which lives on.
func (a *Admin) RevokeFamilyOf(ctx context.Context, subject, id string) error {
	rev, err := a.db.RevokeFamilyOf(ctx, subject, id, reasonSubject)
	if rev.Ended {
		a.emit(ctx, FamilyRevoked{rev.FamilyID, rev.ClientID, rev.Subject, reasonSubject})
	}
	return err
}

// RevokeFamilyOfTx is [Admin.RevokeFamilyOf] in the host's own transaction, as
// [Admin.RevokeFamilyTx] is.
func (a *Admin) RevokeFamilyOfTx(ctx context.Context, tx pgx.Tx, subject, id string) error {
	_, err := a.db.In(tx).RevokeFamilyOf(ctx, subject, id, reasonSubject)
	return err
}
