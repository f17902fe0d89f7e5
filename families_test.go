package authd_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd"
)

// bearer is a call with an access token.
func (h *harness) bearer(method, path, token, body string) answer {
	h.t.Helper()
	r := h.request(method, path, "application/json", body)
	r.Header.Set("Authorization", "Bearer "+token)
	return h.do(r)
}

// ownFamily is what GET /account/families says of a family.
type ownFamily struct {
	ID       string `json:"id"`
	ClientID string `json:"client_id"`
	First    struct {
		Address   *string `json:"address"`
		UserAgent *string `json:"user_agent"`
	} `json:"first"`
	Last struct {
		UserAgent *string `json:"user_agent"`
	} `json:"last"`
	Current bool `json:"current"`
}

func (h *harness) ownFamilies(token string) []ownFamily {
	h.t.Helper()
	var body struct{ Families []ownFamily }
	raw := h.bearer(http.MethodGet, "/account/families", token, "").want(h.t, 200, "").raw
	if err := json.Unmarshal([]byte(raw), &body); err != nil {
		h.t.Fatal(err)
	}
	return body.Families
}

// agents are the last user agents of the subject of a token, the newest sign-in first, the
// token's own in brackets.
func (h *harness) agents(token string) (out []string) {
	h.t.Helper()
	for _, f := range h.ownFamilies(token) {
		agent := "-"
		if f.Last.UserAgent != nil {
			agent = *f.Last.UserAgent
		}
		if f.Current {
			agent = "[" + agent + "]"
		}
		out = append(out, agent)
	}
	return out
}

func (h *harness) wantAgents(token string, want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.agents(token)); diff != "" {
		h.t.Errorf("families: -want +got\n%s", diff)
	}
}

// W-19, V-12: people see where they are signed in and end it, one by one or all others; it
// works at once, for refreshes and for introspection. F-113: to log out everywhere, or elsewhere.
func TestOwnFamilies(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(c *authd.Config) { c.Device = authd.PeerDevice })
	h.people("ada", "eve")
	secret := h.client(authd.Client{ID: "api", ResourceServer: true, Audiences: []string{"https://api.example"}})
	eve := h.signInBy("eve's", "eve")
	laptop := h.signInBy("laptop", "ada")
	phone := h.signInBy("phone", "ada")
	h.signInBy("tablet", "ada")
	moved := h.refreshBy("phone 2", phone.str("refresh_token")).want(t, 200, "")
	h.wantAgents(laptop.str("access_token"), "tablet", "phone 2", "[laptop]")
	h.wantAgents(moved.str("access_token"), "tablet", "[phone 2]", "laptop")

	before := len(h.told())
	h.bearer("POST", "/account/families/revoke", laptop.str("access_token"), `{"id":"`+claim(t, phone, "sid")+`"}`).want(t, 200, "")

	h.refreshBy("phone", moved.str("refresh_token")).want(t, 400, "invalid_grant")
	if h.introspect(secret, moved.str("access_token")) {
		t.Error("an access token outlives its family")
	}
	h.bearer("GET", "/account/families", moved.str("access_token"), "").want(t, 401, "invalid_token")
	h.wantAgents(laptop.str("access_token"), "tablet", "[laptop]")
	want := authd.FamilyRevoked{FamilyID: claim(t, phone, "sid"), ClientID: "app", Subject: claim(t, phone, "sub"), Reason: "revoked_by_subject"}
	if events := h.told()[before:]; len(events) != 1 || events[0] != want {
		t.Errorf("told %+v, want %+v", events, want)
	}

	h.bearer("POST", "/account/families/revoke", laptop.str("access_token"), `{"others":true}`).want(t, 200, "")
	h.wantAgents(laptop.str("access_token"), "[laptop]")
	h.wantAgents(eve.str("access_token"), "[eve's]")

	h.bearer("POST", "/account/families/revoke", laptop.str("access_token"), `{"id":"`+claim(t, laptop, "sid")+`"}`).want(t, 200, "")
	h.bearer("GET", "/account/families", laptop.str("access_token"), "").want(t, 401, "invalid_token")
}

// All others are ended, however many: in several commits, and nobody else's.
func TestEndingManyOthers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.people("ada", "eve")
	ada, eve := h.signInBy("a", "ada"), h.signInBy("e", "eve")
	_, err := h.pool.Exec(t.Context(), `
insert into authd.token_families (id, client_id, subject, scope, auth_time, leaf_jti, leaf_kid, leaf_iat, leaf_exp, absolute_exp, user_epoch, client_epoch)
select gen_random_uuid(), f.client_id, f.subject, f.scope, f.auth_time, f.leaf_jti, f.leaf_kid, f.leaf_iat, f.leaf_exp, f.absolute_exp, f.user_epoch, f.client_epoch
from authd.token_families f, generate_series(1, 1500)`)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(h.ownFamilies(ada.str("access_token"))); got != 1000 {
		t.Errorf("%d are listed, want the newest 1000", got)
	}
	before := len(h.told())

	h.bearer("POST", "/account/families/revoke", ada.str("access_token"), `{"others":true}`).want(t, 200, "")

	if got := h.ownFamilies(ada.str("access_token")); len(got) != 1 || !got[0].Current {
		t.Errorf("left: %+v", got)
	}
	if got := len(h.told()) - before; got != 1500 {
		t.Errorf("%d events, want 1500", got)
	}
	var left int
	err = h.pool.QueryRow(t.Context(), `select count(*) from authd.token_families where subject = $1 and revoked_at is null`, claim(t, eve, "sub")).Scan(&left)
	if err != nil || left != 1501 {
		t.Errorf("%d of Eve's are left, %v; want all 1501", left, err)
	}
}

// Nobody sees or ends what is somebody else's, and nobody learns whether it is there.
func TestFamiliesOfAnother(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.people("ada", "eve")
	ada, eve := h.signInBy("a", "ada"), h.signInBy("e", "eve")
	for _, id := range []string{claim(t, ada, "sid"), "00000000-0000-4000-8000-000000000000", "bogus", "' or true --"} {
		body, err := json.Marshal(map[string]string{"id": id})
		if err != nil {
			t.Fatal(err)
		}

		if got := h.bearer("POST", "/account/families/revoke", eve.str("access_token"), string(body)).want(t, 200, "").raw; got != "{}\n" {
			t.Errorf("%s: answer %q", id, got)
		}
	}

	if got := h.ownFamilies(eve.str("access_token")); len(got) != 1 || got[0].ID != claim(t, eve, "sid") {
		t.Errorf("Eve sees %+v", got)
	}
	h.refreshBy("a", ada.str("refresh_token")).want(t, 200, "")
}

// The token must be live by the database, of a person, and of a first-party client.
func TestOwnFamiliesRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		end    func(t *testing.T, h *harness, in answer) (token string, err error)
		status int
		code   string
	}{
		{"its family ended", func(t *testing.T, h *harness, in answer) (string, error) {
			return in.str("access_token"), h.server.RevokeFamily(t.Context(), claim(t, in, "sid"))
		}, 401, "invalid_token"},
		{"its subject ended", func(t *testing.T, h *harness, in answer) (string, error) {
			return in.str("access_token"), h.server.RevokeSubject(t.Context(), claim(t, in, "sub"))
		}, 401, "invalid_token"},
		{"its user disabled", func(t *testing.T, h *harness, in answer) (string, error) {
			return in.str("access_token"), h.server.DisableUser(t.Context(), "ada")
		}, 401, "invalid_token"},
		{"its client disabled", func(t *testing.T, h *harness, in answer) (string, error) {
			return in.str("access_token"), h.server.DisableClient(t.Context(), "app")
		}, 401, "invalid_token"},
		{"its client deleted", func(t *testing.T, h *harness, in answer) (string, error) {
			return in.str("access_token"), h.server.DeleteClient(t.Context(), "app")
		}, 401, "invalid_token"},
		{"revoked by itself", func(t *testing.T, h *harness, in answer) (string, error) {
			h.form("/oauth2/revoke", "", "", "client_id", "app", "token", in.str("access_token")).want(t, 200, "")
			return in.str("access_token"), nil
		}, 401, "invalid_token"},
		{"its key revoked, K-03", func(t *testing.T, h *harness, in answer) (string, error) {
			_, err := h.pool.Exec(t.Context(), `update authd.signing_keys set revoked_at = authd.clock() where ring = 'access' and signs_from is not null`)
			return in.str("access_token"), err
		}, 401, "invalid_token"},
		{"a refresh token", func(_ *testing.T, _ *harness, in answer) (string, error) { return in.str("refresh_token"), nil }, 401, "invalid_token"},
		{"a client's own token", func(t *testing.T, h *harness, _ answer) (string, error) {
			secret := h.client(authd.Client{ID: "shop", GrantTypes: []string{"client_credentials"}, FirstParty: true})
			return h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token"), nil
		}, 401, "invalid_token"},
		{"garbage", func(*testing.T, *harness, answer) (string, error) { return "garbage", nil }, 401, "invalid_token"},
		{"its client is first-party no more", func(t *testing.T, h *harness, in answer) (string, error) {
			_, err := h.server.UpdateClient(t.Context(), "app", func(c *authd.Client) { c.FirstParty = false })
			return in.str("access_token"), err
		}, 403, "unauthorized_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			h.people("ada")
			other, in := h.signInBy("b", "ada"), h.signInBy("a", "ada")

			token, err := tt.end(t, h, in)
			if err != nil {
				t.Fatal(err)
			}

			h.bearer("GET", "/account/families", token, "").want(t, tt.status, tt.code)
			h.bearer("POST", "/account/families/revoke", token, `{"others":true}`).want(t, tt.status, tt.code)
			h.bearer("POST", "/account/families/revoke", token, `{"id":"`+claim(t, other, "sid")+`"}`).want(t, tt.status, tt.code)
			var revoked int
			err = h.pool.QueryRow(t.Context(), `select count(*) from authd.token_families where revoked_reason = 'revoked_by_subject'`).Scan(&revoked)
			if err != nil || revoked != 0 {
				t.Errorf("%d families were ended, %v", revoked, err)
			}
		})
	}
}

// W-19, RFC 9470: a token from a refresh shows the families and ends its own, no others.
func TestEndingOthersTakesAFreshToken(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(c *authd.Config) { c.Device = authd.PeerDevice })
	h.people("ada")
	phone, laptop := h.signInBy("phone", "ada"), h.signInBy("laptop", "ada")
	stale := h.refreshBy("phone", phone.str("refresh_token")).want(t, 200, "").str("access_token")

	for _, body := range []string{`{"others":true}`, `{"id":"` + claim(t, laptop, "sid") + `"}`, `{"id":"bogus"}`} {
		a := h.bearer("POST", "/account/families/revoke", stale, body).want(t, 401, "insufficient_user_authentication")
		if got, want := a.header.Get("WWW-Authenticate"), `Bearer realm="authd", error="insufficient_user_authentication"`; got != want {
			t.Errorf("challenge %q, want %q", got, want)
		}
	}
	h.wantAgents(stale, "laptop", "[phone]")
	h.bearer("POST", "/account/families/revoke", stale, `{"id":"`+claim(t, phone, "sid")+`"}`).want(t, 200, "")

	h.wantAgents(laptop.str("access_token"), "[laptop]")
}

// The host's own pages: for the subject's family or nobody's, in a transaction of the host or not.
func TestRevokeFamilyOf(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.people("ada", "eve")
	ada, eve := h.signInBy("a", "ada"), h.signInBy("e", "eve")
	id := claim(t, ada, "sid")
	inTx := func(subject string, end error) error {
		return pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
			return errors.Join(h.server.RevokeFamilyOfTx(t.Context(), tx, subject, id), end)
		})
	}
	rolledBack := errors.New("the host rolls back")

	if err := h.server.RevokeFamilyOf(t.Context(), claim(t, eve, "sub"), id); !errors.Is(err, authd.ErrNotFound) {
		t.Errorf("somebody else's: got %v, want ErrNotFound", err)
	}
	if err := inTx(claim(t, eve, "sub"), nil); !errors.Is(err, authd.ErrNotFound) {
		t.Errorf("somebody else's in a transaction: got %v, want ErrNotFound", err)
	}
	if err := inTx(claim(t, ada, "sub"), rolledBack); !errors.Is(err, rolledBack) {
		t.Error(err)
	}
	next := h.refreshBy("a", ada.str("refresh_token")).want(t, 200, "")
	if err := inTx(claim(t, ada, "sub"), nil); err != nil {
		t.Error(err)
	}
	h.refreshBy("a", next.str("refresh_token")).want(t, 400, "invalid_grant")
	if err := h.server.RevokeFamilyOf(t.Context(), claim(t, ada, "sub"), id); err != nil {
		t.Errorf("once more: %v", err)
	}
}
