package db_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func newClient(t *testing.T, d *db.DB, id string) oauth.Client {
	t.Helper()
	c := oauth.Client{ID: id, AuthMethod: oauth.AuthNone, GrantTypes: []oauth.GrantType{oauth.RefreshToken}, Scopes: oauth.Scopes{"read"}}
	if _, err := d.CreateClient(t.Context(), &c, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func family(id string) db.NewFamily {
	return db.NewFamily{
		ID: id, ClientID: "shop", Subject: "usr_ada", Scopes: oauth.Scopes{"read"}, AuthTime: time.Now(),
		LeafJTI: "leaf-0", LeafKID: "key-1", LeafTTL: time.Hour, FamilyTTL: 24 * time.Hour,
	}
}

const familyID = "6f1a2f60-93b5-4b8e-9a3f-1c8d3a5d7c10"

// setup makes client shop and the family.
func setup(t *testing.T) (*pgxpool.Pool, *db.DB) {
	t.Helper()
	pool := dbtest.New(t)
	d := db.New(pool)
	newClient(t, d, "shop")
	if _, _, err := d.InsertFamily(t.Context(), family(familyID)); err != nil {
		t.Fatal(err)
	}
	return pool, d
}

// S-10: whoever writes the statement, the guard refuses what must never happen.
func TestGuardTrigger(t *testing.T) {
	t.Parallel()
	const step = `update authd.token_families set generation = generation + 1, parent_jti = leaf_jti, leaf_jti = 'leaf-1', rotated_at = now()`
	tests := []struct {
		name       string
		before     string
		statement  string
		constraint string // "": allowed
	}{
		{"a normal rotation passes", "", step, ""},
		{"a replay count passes", "", `update authd.token_families set replays = replays + 1`, ""},
		{"a revocation passes", "", `update authd.token_families set revoked_at = now(), revoked_reason = 'x'`, ""},
		{
			"two generations at once", "", `update authd.token_families set generation = generation + 2, parent_jti = leaf_jti, leaf_jti = 'l', rotated_at = now()`,
			"token_families_steps_by_one",
		},
		{"a generation back", step, `update authd.token_families set generation = 0, parent_jti = null, rotated_at = null`, "token_families_steps_by_one"},
		{
			"a step that names another parent", "", `update authd.token_families set generation = 1, parent_jti = 'other', leaf_jti = 'l', rotated_at = now()`,
			"token_families_steps_by_one",
		},
		{"a new leaf in the same generation", "", `update authd.token_families set leaf_jti = 'other'`, "token_families_leaf_fixed"},
		{"a longer leaf in the same generation", "", `update authd.token_families set leaf_exp = leaf_exp + interval '1 hour'`, "token_families_leaf_fixed"},
		{"fewer replays", `update authd.token_families set replays = 3`, `update authd.token_families set replays = 0`, "token_families_leaf_fixed"},
		{"more scope", "", `update authd.token_families set scope = '{read,admin}'`, "token_families_grant_fixed"},
		{"a longer family", "", `update authd.token_families set absolute_exp = absolute_exp + interval '1 day'`, "token_families_grant_fixed"},
		{"another address of the sign-in", "", `update authd.token_families set first_address = '192.0.2.9'`, "token_families_grant_fixed"},
		{"another user agent of the sign-in", "", `update authd.token_families set first_user_agent = 'x'`, "token_families_grant_fixed"},
		{"a last use with a rotation passes", "", step + `, last_address = '2001:db8::1', last_user_agent = 'x'`, ""},
		{"another last use in the same generation", step, `update authd.token_families set last_address = '192.0.2.9'`, "token_families_leaf_fixed"},
		{"another user agent in the same generation", step, `update authd.token_families set last_user_agent = 'x'`, "token_families_leaf_fixed"},
		{"a network for an address", "", step + `, last_address = '192.0.2.0/24'`, "token_families_addresses_single"},
		{"an IPv6 network for an address", "", step + `, last_address = '2001:db8::/32'`, "token_families_addresses_single"},
		{"a user agent of 256 bytes passes", "", step + `, last_user_agent = repeat('x', 256)`, ""},
		{"a user agent of 257 bytes", "", step + `, last_user_agent = repeat('é', 128) || 'x'`, "token_families_user_agents_short"},
		{"an empty user agent", "", step + `, last_user_agent = ''`, "token_families_user_agents_short"},
		{"another subject", "", `update authd.token_families set subject = 'usr_eve'`, "token_families_grant_fixed"},
		{
			"un-revoking", `update authd.token_families set revoked_at = now(), revoked_reason = 'x'`,
			`update authd.token_families set revoked_at = null, revoked_reason = null`, "token_families_revoked_is_final",
		},
		{
			"rotating a revoked family", `update authd.token_families set revoked_at = now(), revoked_reason = 'x'`, step,
			"token_families_revoked_is_final",
		},
		{"revoking without a reason", "", `update authd.token_families set revoked_at = now()`, "token_families_revoked_for_a_reason"},
		{"a leaf beyond the family", "", step + `, leaf_exp = absolute_exp + interval '1 s'`, "token_families_leaf_within_family"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool, _ := setup(t)
			if tt.before != "" {
				if _, err := pool.Exec(t.Context(), tt.before); err != nil {
					t.Fatal(err)
				}
			}

			_, err := pool.Exec(t.Context(), tt.statement)

			pg, _ := errors.AsType[*pgconn.PgError](err)
			switch {
			case tt.constraint == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.constraint != "" && (pg == nil || pg.ConstraintName != tt.constraint):
				t.Errorf("got %v, want a violation of %s", err, tt.constraint)
			}
		})
	}
}

// Many instances may be told the same thing at once; one of them ends the family, and the
// first time and reason stay (V-10).
func TestRevokeFamilyConcurrently(t *testing.T) {
	t.Parallel()
	_, d := setup(t)
	var ended atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			rev, err := d.RevokeFamily(t.Context(), familyID, "shop", "first")
			if err != nil {
				t.Error(err)
			}
			if rev.Ended {
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	again, err := d.RevokeFamily(t.Context(), familyID, "", "second")

	if got := ended.Load(); got != 1 {
		t.Errorf("%d calls ended the family, want 1", got)
	}
	if err != nil || again.Ended {
		t.Errorf("a later call reports %+v, %v", again, err)
	}
	list, err := d.Families(t.Context(), db.FamilyFilter{Dead: true, Limit: 10})
	if err != nil || len(list) != 1 || *list[0].RevokedReason != "first" {
		t.Errorf("got %+v, %v; want the reason of the first call", list, err)
	}
}

func TestRevokeFamilyOfAnother(t *testing.T) {
	t.Parallel()
	_, d := setup(t)

	rev, err := d.RevokeFamily(t.Context(), familyID, "blog", "x")
	if err != nil || rev.Owned || rev.Ended {
		t.Errorf("got %+v, %v; want a family that is not owned and not ended", rev, err)
	}
	_, err = d.RevokeFamily(t.Context(), "00000000-0000-4000-8000-000000000000", "shop", "x")
	if !errors.Is(err, db.ErrNotFound) {
		t.Errorf("unknown family: got %v, want ErrNotFound", err)
	}
}

// A family carries the epochs that were read at the sign-in: what ended them meanwhile
// kills it (security.md D-04).
func TestInsertFamilyAfterAnEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(t *testing.T, d *db.DB) error
		want error
	}{
		{"nothing happened", func(*testing.T, *db.DB) error { return nil }, nil},
		{"the subject was ended", func(t *testing.T, d *db.DB) error {
			_, err := d.EndSubject(t.Context(), "usr_ada")
			return err
		}, db.ErrNotFound},
		{"the subject was disabled", func(t *testing.T, d *db.DB) error { return d.DisableSubject(t.Context(), "usr_ada") }, db.ErrNotFound},
		{"the client was ended", func(t *testing.T, d *db.DB) error { return d.EndClient(t.Context(), "shop") }, db.ErrNotFound},
		{"the client was disabled and enabled", func(t *testing.T, d *db.DB) error {
			return errors.Join(d.DisableClient(t.Context(), "shop"), d.EnableClient(t.Context(), "shop"))
		}, db.ErrNotFound},
		{"the client was deleted", func(t *testing.T, d *db.DB) error { return d.DeleteClient(t.Context(), "shop") }, db.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, d := setup(t)
			if err := tt.end(t, d); err != nil {
				t.Fatal(err)
			}

			_, _, err := d.InsertFamily(t.Context(), family("6f1a2f60-93b5-4b8e-9a3f-1c8d3a5d7c11"))

			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// L1, R-33: what another transaction committed while the rotation waited for the lock must be
// seen. A join under FOR UPDATE would not see it.
func TestRotationSeesWhatHappenedDuringTheWait(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	holder, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(t.Context()) }()
	if _, err := holder.Exec(t.Context(), `select from authd.token_families for update`); err != nil {
		t.Fatal(err)
	}
	type result struct {
		r   *db.Rotation
		err error
	}
	done := make(chan result)
	go func() {
		r, err := d.BeginRotation(t.Context(), familyID, "shop", "")
		done <- result{r, err}
	}()
	dbtest.WaitForLocks(t, pool, 1)
	if err := d.DisableSubject(t.Context(), "usr_ada"); err != nil {
		t.Fatal(err)
	}
	if err := d.DisableClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := holder.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer got.r.Rollback(t.Context())
	if got.r.Subject.DisabledAt == nil || got.r.Subject.Epoch != 1 {
		t.Errorf("subject %+v, want it disabled and of epoch 1", got.r.Subject)
	}
	if got.r.Client.DisabledAt == nil {
		t.Error("the client is not seen to be disabled")
	}
}

// F-12: whoever holds a family up delays its rotations for two seconds and no longer.
func TestRotationGivesUpOnAHeldLock(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	holder, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(t.Context()) }()
	if _, err := holder.Exec(t.Context(), `select from authd.token_families for update`); err != nil {
		t.Fatal(err)
	}

	_, err = d.BeginRotation(t.Context(), familyID, "shop", "")

	if !errors.Is(err, db.ErrLocked) || !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("got %v, want ErrLocked, which is an ErrUnavailable", err)
	}
}

// F-12: lock_timeout bounds each wait of a statement, of which there may be two. The statement
// is bounded, too, whatever it waits for.
func TestRotationGivesUpOnASlowStatement(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	_, err := pool.Exec(t.Context(), `create or replace function authd.clock() returns timestamptz language plpgsql volatile as
		$$ begin perform pg_sleep(20); return clock_timestamp(); end $$`)
	if err != nil {
		t.Fatal(err)
	}

	r, err := d.BeginRotation(t.Context(), familyID, "shop", "")

	if !errors.Is(err, db.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err == nil {
		r.Rollback(t.Context())
	}
}

// F-12: so does the end of a family, and nothing is done.
func TestRevocationGivesUpOnAHeldLock(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	holder, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), `select from authd.token_families for update`); err != nil {
		t.Fatal(err)
	}

	_, err = d.RevokeFamily(t.Context(), familyID, "shop", "logout")

	if !errors.Is(err, db.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rev, err := d.RevokeFamily(t.Context(), familyID, "shop", "logout"); err != nil || !rev.Ended {
		t.Errorf("after the lock: %+v, %v; want it ended by this call", rev, err)
	}
}

// F-43: the isolation that the algorithm needs does not depend on the database's default.
func TestRotationUnderAnotherDefaultIsolation(t *testing.T) {
	t.Parallel()
	pool, d := setup(t)
	_, err := pool.Exec(t.Context(), `do $$ begin execute format(
		'alter database %I set default_transaction_isolation = serializable', current_database()); end $$`)
	if err != nil {
		t.Fatal(err)
	}
	pool.Reset()

	r, err := d.BeginRotation(t.Context(), familyID, "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Step(t.Context(), "leaf-1", "key-1", time.Hour, oauth.Device{}); err != nil {
		t.Error(err)
	}
}
