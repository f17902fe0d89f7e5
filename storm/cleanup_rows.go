package main

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const fewThousand = 3000 // of each kind that has to stay

// deadRows are how many families, and how many revocations of access tokens.
func deadRows(o options) (families, revocations int) {
	if o.short {
		return 200_000, 20_000
	}
	return 1_000_000, 100_000
}

// Both insert as many rows as $2, the first of which ends $3 seconds from now, and each
// other one $4 seconds after the one before it. One of $5 families was revoked in its first minute.
const (
	insertFamilies = `
insert into authd.token_families (id, client_id, subject, scope, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp,
  absolute_exp, user_epoch, client_epoch, revoked_at, revoked_reason)
select gen_random_uuid(), 'calm', $1 || '-' || n, '{read,write}', now(), lpad(n::text, 26, 'j'), repeat('k', 43), now(), t.ends, t.ends, 0, 0,
  case when n % $5 = 0 then now() end, case when n % $5 = 0 then 'reuse' end
from generate_series(1, $2::int) n, lateral (select now() + make_interval(secs => $3::int + n * $4::float8) as ends) t`

	insertRevocations = `
insert into authd.revoked_tokens (jti, client_id, audience, exp)
select $1::text || n, 'calm', 'https://api.example/' || $1::text, now() + make_interval(secs => $3::int + n * $4::float8)
from generate_series(1, $2::int) n`
)

const (
	hour = 3600
	day  = 24 * hour
)

const never = 1 << 30 // none of them

// seedRows leaves the commit to the caller.
func seedRows(ctx context.Context, tx pgx.Tx, families, revocations int) error {
	var b pgx.Batch
	b.Queue(insertFamilies, "dead", families, -hour-60, -1.0, 10)
	b.Queue(insertFamilies, "margin", fewThousand, -hour+30*60, 0.5, 10) // over for less than an hour
	b.Queue(insertFamilies, "live", fewThousand, day, 1.0, never)
	b.Queue(insertFamilies, "ended", fewThousand, 30*day, 1.0, 1)
	b.Queue(insertRevocations, "dead", revocations, -hour-60, -0.1)
	b.Queue(insertRevocations, "margin", fewThousand, -hour+30*60, 0.5)
	b.Queue(insertRevocations, "live", fewThousand, 10*60, 0.1)
	return tx.SendBatch(ctx, &b).Close()
}

// remainders are what has to be there in the end.
var remainders = []struct {
	what, of string
	want     int
}{
	{"dead families left", `authd.token_families where subject like 'dead-%'`, 0},
	{"dead revocations left", `authd.revoked_tokens where audience = 'https://api.example/dead'`, 0},
	{"families left that live", `authd.token_families where subject like 'live-%' and revoked_at is null`, fewThousand},
	{"families left that were revoked and are not over", `authd.token_families where subject like 'ended-%' and revoked_at is not null`, fewThousand},
	{"families left that have been over for less than an hour", `authd.token_families where subject like 'margin-%'`, fewThousand},
	{"families left of those that refresh", `authd.token_families where subject like 'usr\_%' and revoked_at is null`, sessions},
	{"revocations left of tokens that have not expired", `authd.revoked_tokens where audience = 'https://api.example/live'`, fewThousand},
	{"revocations left of tokens that expired less than an hour ago", `authd.revoked_tokens where audience = 'https://api.example/margin'`, fewThousand},
}
