package authd

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/migrate"
)

// Migrate brings schema "authd" to the version that this build needs and returns the
// migrations that it applied. Any number of callers may do so at once. It needs a
// connection that no transaction-pooling proxy stands in front of. Hosts may instead run
// the files of package sql with a tool of their own.
func Migrate(ctx context.Context, db *pgxpool.Pool) (applied []string, err error) {
	return migrate.Up(ctx, db)
}

// NeededSchema is the version of schema "authd" that this build needs.
const NeededSchema = migrate.Version

// SchemaStatus tells what a database has.
type SchemaStatus struct {
	Version int64    // 0: no schema
	Needed  int64    // by this build
	Pending []string // the migrations that are missing
	// Usable: a server of this build may run on it.
	Usable bool
}

// SchemaVersion tells the state of the schema and changes nothing.
func SchemaVersion(ctx context.Context, db *pgxpool.Pool) (SchemaStatus, error) {
	s, err := migrate.Read(ctx, db)
	return SchemaStatus{Version: s.Version, Needed: migrate.Version, Pending: s.Pending, Usable: s.Current()}, err
}

// checkSchema returns an error that wraps [ErrSchemaVersion] and says what to run.
func checkSchema(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := SchemaVersion(ctx, pool)
	switch {
	case err != nil:
		return err
	case s.Usable:
		return nil
	case s.Version < s.Needed:
		return fmt.Errorf("%w: it is at %d and this build needs %d: run `authd migrate` or call authd.Migrate",
			ErrSchemaVersion, s.Version, s.Needed)
	default:
		return fmt.Errorf("%w: it is at %d, which this build (%d) is too old for: install a newer authd",
			ErrSchemaVersion, s.Version, s.Needed)
	}
}

// PoolConfig makes a pool's configuration obey the commit rule: that a success is told
// only of a durable commit. It adds a notice hook in front of the host's own and refuses
// settings under which a cancelled commit looks like one that was done. Call it between
// pgxpool.ParseConfig and pgxpool.NewWithConfig. [New] refuses a pool without it where a
// synchronous standby is configured.
//
// It also bounds faults of the network, in front of the host's own BeforeConnect and behind its
// DialFunc: a connection that has fallen silent is given up within fifteen seconds (TCP keepalive
// and TCP_USER_TIMEOUT; ConnectTimeout and PingTimeout of five seconds, where they are not set),
// and after a failed attempt to connect, pauses of half a second to two seconds and a half keep
// the pool from storming a database that refuses.
//
// It leaves MaxConns alone. pgxpool's default, the processors but at least 4, is enough: no
// connection is held across a signature or a password hash.
func PoolConfig(cfg *pgxpool.Config) error { return db.Configure(cfg) }
