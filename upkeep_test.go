package authd_test

import (
	"testing"
	"time"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
)

// Rows that no token can name any more are deleted, others never: neither a live family,
// nor one that was revoked and could still tell a reuse (F-35). F-110: so a blocklist needs no time to live.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	secret := h.client(authd.Client{ID: "shop", GrantTypes: []string{"client_credentials", "refresh_token"}, FirstParty: true})
	if _, err := h.server.CreateUser(t.Context(), authd.NewUser{Username: "ada", Password: password}); err != nil {
		t.Fatal(err)
	}
	var families []string
	for range 3 {
		req := h.request("POST", "/account/login", "application/json", `{"username":"ada","password":"`+password+`"}`)
		req.SetBasicAuth("shop", secret)
		families = append(families, h.do(req).want(t, 200, "").str("refresh_token"))
	}
	h.form("/oauth2/revoke", "shop", secret, "token", families[0]).want(t, 200, "")
	token := h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token")
	h.form("/oauth2/revoke", "shop", secret, "token", token).want(t, 200, "")
	h.json("/account/login", `{"client_id":"shop"}`)

	tests := []struct {
		name                string
		after               time.Duration
		families, revoked   int64 // that stay
		deleted, deletedAll int64
	}{
		{"at once: nothing", 0, 3, 1, 0, 0},
		{"a day later: the revoked access token", 24 * time.Hour, 3, 0, 0, 1},
		{"before the families' absolute end: none of them", 90*24*time.Hour - time.Minute, 3, 0, 0, 1},
		{"an hour after it: all of them", 90*24*time.Hour + 2*time.Hour, 0, 0, 3, 1},
	}
	for _, tt := range tests { // in order
		dbtest.SetClock(t, h.pool, tt.after)
		h.server.Clean(t.Context())

		var left, revoked int64
		err := h.pool.QueryRow(t.Context(), `select (select count(*) from authd.token_families), (select count(*) from authd.revoked_tokens)`).
			Scan(&left, &revoked)
		stats := h.server.Stats().RowsDeleted
		if err != nil || left != tt.families || revoked != tt.revoked || stats["token_families"] != tt.deleted || stats["revoked_tokens"] != tt.deletedAll {
			t.Errorf("%s: %d families and %d revocations stay, deleted %v, %v", tt.name, left, revoked, stats, err)
		}
	}
}

// A replica that is at work on some rows does not make the others wait: they skip them.
func TestUpkeepSkipsLockedRows(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	_, err := h.pool.Exec(t.Context(), `insert into authd.revoked_tokens (jti, client_id, audience, exp)
		select 'jti-' || n, 'shop', 'a', now() - interval '1 day' from generate_series(1, 1200) n`)
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback(t.Context()) }()
	if _, err := other.Exec(t.Context(), `select from authd.revoked_tokens where jti in ('jti-1', 'jti-700') for update`); err != nil {
		t.Fatal(err)
	}

	h.server.Clean(t.Context())

	if got := h.server.Stats().RowsDeleted["revoked_tokens"]; got != 1198 {
		t.Errorf("%d rows deleted, want all but the two that are locked", got)
	}
}
