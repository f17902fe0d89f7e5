package db

import (
	"context"
	"time"
)

// Subject is the state of a subject: of a built-in user or of one of the host's. Only
// subjects that were ended or disabled have a row; the others are of epoch 0.
type Subject struct {
	Epoch      int64
	EndedAt    *time.Time
	DisabledAt *time.Time
}

const readSubject = `
select coalesce(s.epoch, 0) as epoch, s.ended_at, s.disabled_at,
  exists (select from authd.clients c where c.client_id = $1) as is_client, authd.clock() as now
from (select) as always left join authd.subjects s on s.subject = $1`

// Subject also reports whether a client is, or was, registered under the same name; such
// a subject must not be granted anything (RFC 9068 §5). now is the database's time.
func (d *DB) Subject(ctx context.Context, subject string) (s Subject, isClient bool, now time.Time, err error) {
	row, err := one[struct {
		Subject
		IsClient bool
		Now      time.Time
	}](ctx, d, "read subject", readSubject, subject)
	return row.Subject, row.IsClient, row.Now, err
}

const endSubject = `
insert into authd.subjects as s (subject, epoch, ended_at) values ($1, 1, ` + nextSecond + `)
on conflict (subject) do update set epoch = s.epoch + 1, ended_at = excluded.ended_at
returning epoch, ended_at, disabled_at`

// EndSubject ends all grants of the subject in one row and returns its new epoch.
func (d *DB) EndSubject(ctx context.Context, subject string) (Subject, error) {
	return write[Subject](ctx, d, "end subject", endSubject, subject)
}

const disableSubject = `
insert into authd.subjects as s (subject, epoch, ended_at, disabled_at) values ($1, 1, ` + nextSecond + `, authd.clock())
on conflict (subject) do update set epoch = s.epoch + 1, ended_at = excluded.ended_at,
  disabled_at = coalesce(s.disabled_at, excluded.disabled_at)
returning epoch, ended_at, disabled_at`

// DisableSubject ends all grants of the subject and refuses new ones until [DB.EnableSubject].
func (d *DB) DisableSubject(ctx context.Context, subject string) error {
	_, err := write[Subject](ctx, d, "disable subject", disableSubject, subject)
	return err
}

const enableSubject = `
insert into authd.subjects as s (subject) values ($1)
on conflict (subject) do update set disabled_at = null
returning epoch, ended_at, disabled_at`

// EnableSubject allows new grants; what disabling ended stays ended.
func (d *DB) EnableSubject(ctx context.Context, subject string) error {
	_, err := write[Subject](ctx, d, "enable subject", enableSubject, subject)
	return err
}
