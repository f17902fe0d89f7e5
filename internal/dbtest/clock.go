package dbtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// SetClock makes the database of pool tell a time that is offset ahead of the server's:
// authd.clock and authd.arrival, for all connections, from their next statement on. A
// second call replaces the first.
func SetClock(t testing.TB, pool *pgxpool.Pool, offset time.Duration) {
	t.Helper()
	for function, source := range map[string]string{
		"clock() returns timestamptz language sql volatile": "clock_timestamp()",
		"arrival() returns timestamptz language sql stable": "now()",
	} {
		_, err := pool.Exec(t.Context(), fmt.Sprintf(`create or replace function authd.%s as 'select %s + interval ''%d microseconds'''`,
			function, source, offset.Microseconds()))
		if err != nil {
			t.Fatalf("set the database's clock: %v", err)
		}
	}
}
