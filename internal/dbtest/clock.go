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

// StopClock makes the database of pool tell the same time always, so that a slow machine ends
// no wait: authd.clock alone, from everybody's next statement on, until [SetClock].
func StopClock(t testing.TB, pool *pgxpool.Pool, at time.Time) {
	t.Helper()
	_, err := pool.Exec(t.Context(), fmt.Sprintf(`create or replace function authd.clock() returns timestamptz language sql volatile
		as $$ select timestamptz '%s' $$`, at.UTC().Format(time.RFC3339Nano)))
	if err != nil {
		t.Fatalf("stop the database's clock: %v", err)
	}
}
