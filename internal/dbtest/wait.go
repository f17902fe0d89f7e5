package dbtest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// WaitForLocks returns when n sessions of the test's database wait for locks.
func WaitForLocks(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	for waiting := 0; waiting < n; {
		err := pool.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}
