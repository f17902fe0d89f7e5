package main

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// row is a family as the database has it at the end.
type row struct {
	ID, ClientID, Subject  string
	Generation             int64
	LeafJTI                string `db:"leaf_jti"`
	Revoked                bool
	Reason                 string
	UserEpoch, ClientEpoch int64
	SubjectNow, ClientNow  int64 // epochs
	SubjectDisabled        bool
}

// dead: by itself, or with its subject or client.
func (r row) dead() bool {
	return r.Revoked || r.UserEpoch != r.SubjectNow || r.ClientEpoch != r.ClientNow || r.SubjectDisabled
}

const readRows = `
select f.id::text, f.client_id, f.subject, f.generation, f.leaf_jti, f.revoked_at is not null as revoked,
  coalesce(f.revoked_reason, '') as reason, f.user_epoch, f.client_epoch,
  coalesce(s.epoch, 0) as subject_now, c.epoch as client_now, s.disabled_at is not null as subject_disabled
from authd.token_families f join authd.clients c using (client_id) left join authd.subjects s using (subject)`

// ledger is all that there is to judge: what actors saw, and what the database has in the end.
type ledger struct {
	calls    []*call
	families []*record
	byID     map[string]*record
	rows     map[string]row
	epochs   map[string]int64 // of subjects and clients
	grace    time.Duration
	end      time.Duration
	unjudged int              // families that porcupine gave up
	alone    [2]time.Duration // from when to when the primary worked on without its synchronous standby
}

// record is what is known of one family.
type record struct {
	family
	calls   []*call
	row     row
	hasRow  bool
	lethal  bool // something was to end it
	excused bool // a retry came later than grace: an outage was longer
}

// newLedger reads the database past the proxy.
func newLedger(ctx context.Context, s *storm) (*ledger, error) {
	l := &ledger{
		calls: s.history.snapshot(), rows: make(map[string]row),
		epochs: make(map[string]int64), grace: s.grace, end: s.history.now(), alone: s.alone,
	}
	if err := l.read(ctx, s.cluster); err != nil {
		return nil, err
	}
	l.assemble()
	return l, nil
}

// assemble sorts the calls by family.
func (l *ledger) assemble() {
	l.byID = make(map[string]*record)
	for _, c := range l.calls {
		if c.deed == signIn && c.outcome == ok {
			r := &record{family: family{id: c.family, born: c}}
			r.row, r.hasRow = l.rows[c.family]
			l.families = append(l.families, r)
			l.byID[c.family] = r
		}
	}
	l.sort()
	for _, r := range l.families {
		r.lethal = slices.ContainsFunc(r.calls, func(c *call) bool { return c.thief || c.ends(&r.family) })
		r.excused = r.outlastsGrace(l.grace)
	}
}

// sort gives each family the calls that concern it, in their order.
func (l *ledger) sort() {
	for _, c := range l.calls {
		if c.family != "" {
			if r := l.byID[c.family]; r != nil {
				r.calls = append(r.calls, c)
			}
			continue
		}
		for _, r := range l.families {
			if c.concerns(&r.family) {
				r.calls = append(r.calls, c)
			}
		}
	}
}

func (l *ledger) read(ctx context.Context, c *cluster) error {
	conn, err := pgx.Connect(ctx, c.pg.url("postgres", c.database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, _ := conn.Query(ctx, readRows) // Collect returns Query's error
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return err
	}
	for _, r := range all {
		l.rows[r.ID] = r
	}
	rows, _ = conn.Query(ctx, `select subject, epoch from authd.subjects union all select client_id, epoch from authd.clients`)
	var name string
	var epoch int64
	_, err = pgx.ForEachRow(rows, []any{&name, &epoch}, func() error { l.epochs[name] = epoch; return nil })
	return err
}

// outlastsGrace: from the first try with a token to the end of the last it took longer than
// grace, so that the last may have come too late.
func (r *record) outlastsGrace(grace time.Duration) bool {
	first := make(map[int64]time.Duration)
	for _, c := range r.calls {
		if c.deed != refresh {
			continue
		}
		if _, seen := first[c.gen]; !seen {
			first[c.gen] = c.start
		}
		if c.end-first[c.gen] > grace {
			return true
		}
	}
	return false
}
