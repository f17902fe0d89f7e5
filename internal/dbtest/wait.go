package dbtest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// WaitForLock returns when a session of the test's database waits for a lock.
func WaitForLock(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	for waiting := false; !waiting; {
		err := pool.QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}
