package db

import (
	"context"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// FamilyState is a family and what else decides over its refresh tokens, in one moment.
type FamilyState struct {
	oauth.Family
	Now             time.Time
	SubjectEpochNow int64
	SubjectDisabled *time.Time
	ClientEpochNow  int64
	ClientActive    bool // registered, not disabled
}

const readFamilyState = `
select` + familyColumns + `,
  authd.clock() as now, coalesce(s.epoch, 0) as subject_epoch_now, s.disabled_at as subject_disabled,
  coalesce(c.epoch, 0) as client_epoch_now, coalesce(c.disabled_at is null and c.deleted_at is null, false) as client_active
from authd.token_families f
left join authd.subjects s on s.subject = f.subject
left join authd.clients c on c.client_id = f.client_id
where f.id = $1`

// FamilyState takes no lock. It returns [ErrNotFound].
func (d *DB) FamilyState(ctx context.Context, id string) (FamilyState, error) {
	row, err := one[struct {
		familyRow
		Now             time.Time
		SubjectEpochNow int64
		SubjectDisabled *time.Time
		ClientEpochNow  int64
		ClientActive    bool
	}](ctx, d, "read family", readFamilyState, id)
	return FamilyState{
		Family: row.family(), Now: row.Now, SubjectEpochNow: row.SubjectEpochNow, SubjectDisabled: row.SubjectDisabled,
		ClientEpochNow: row.ClientEpochNow, ClientActive: row.ClientActive,
	}, err
}
