package db

import "context"

// Settings are what the commit rule needs of a PostgreSQL, and its clock.
type Settings struct {
	Version           string // of the server
	InRecovery        bool   // a standby, which cannot write
	ReadOnly          bool
	Fsync             string
	FullPageWrites    string
	SynchronousCommit string // of this session
	Standbys          string // synchronous_standby_names
	MaxConnections    int
	// ClockSeconds is the database's clock, seconds since 1970.
	ClockSeconds float64
}

// full_page_writes and fsync are of the server; the rest may be set for role and database.
const readSettings = `
select current_setting('server_version') as version, pg_is_in_recovery() as in_recovery,
  current_setting('transaction_read_only')::boolean as read_only,
  current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  current_setting('synchronous_standby_names') as standbys,
  current_setting('max_connections')::int as max_connections,
  extract(epoch from clock_timestamp())::float8 as clock_seconds`

// Settings needs no schema.
func (d *DB) Settings(ctx context.Context) (Settings, error) {
	return one[Settings](ctx, d, "read settings", readSettings)
}
