package grants_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/oauth"
)

// Ending a subject with a hundred thousand families writes one row, and all of them are
// over.
func TestEndingASubjectIsOneWrite(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	ada, bob := f.login("ada"), f.login("bob")
	f.exec(`insert into authd.token_families (id, client_id, subject, scope, resource, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp,
			absolute_exp, user_epoch, client_epoch)
		select gen_random_uuid(), client_id, subject, scope, resource, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp, absolute_exp, user_epoch, client_epoch
		from authd.token_families, generate_series(1, 100000) where subject = 'ada'`)

	err := pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error {
		before := writes(t, tx)
		if _, err := f.db.In(tx).EndSubject(t.Context(), "ada"); err != nil {
			return err
		}
		after := writes(t, tx)
		before["subjects"]++
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("more than one row of subjects was written: %s", diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	if f.introspect(secret, ada.AccessToken).Active {
		t.Error("an access token of the subject is active")
	}
	_, err = f.refresh(ada.RefreshToken)
	refused(t, err, oauth.InvalidGrant)
	if !f.introspect(secret, bob.AccessToken).Active {
		t.Error("somebody else's token is over")
	}
	f.mustRefresh(bob.RefreshToken)
}

// writes counts the rows that this connection has written, by table.
func writes(t *testing.T, tx pgx.Tx) map[string]int64 {
	t.Helper()
	rows, err := tx.Query(t.Context(), `select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_xact_user_tables where schemaname = 'authd'`)
	if err != nil {
		t.Fatal(err)
	}
	written := make(map[string]int64)
	var table string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&table, &n}, func() error { written[table] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return written
}
