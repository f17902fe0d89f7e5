package grants_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// a rotation makes the next generation; what the sign-in proved stays.
func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.login("ada")

	second := f.mustRefresh(first.RefreshToken)

	before, after := claims(t, first.RefreshToken), claims(t, second.RefreshToken)
	if after["gen"] != before["gen"].(float64)+1 || after["fid"] != before["fid"] || after["jti"] == before["jti"] {
		t.Errorf("leaf %v after %v, want the next generation of the same family", after, before)
	}
	a, b := claims(t, first.AccessToken), claims(t, second.AccessToken)
	if diff := cmp.Diff(a, b, cmpopts.IgnoreMapEntries(func(k string, _ any) bool {
		return k == "jti" || k == "iat" || k == "nbf" || k == "exp" || k == "fresh"
	})); diff != "" {
		t.Errorf("access tokens of two generations differ:\n%s", diff)
	}
	if a["fresh"] != true || b["fresh"] != false || a["jti"] == b["jti"] || a["sid"] != before["fid"] {
		t.Errorf("access tokens %v and %v", a, b)
	}
	if _, ok := before["scope"]; ok {
		t.Error("a refresh token carries scope")
	}
}

// a lost answer costs nothing; the parent gets the same leaf, byte for byte.
func TestRefreshAgainWithinGrace(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.login("ada")
	lost := f.mustRefresh(first.RefreshToken)

	dbtest.SetClock(t, f.pool, grace-time.Second)
	again := f.mustRefresh(first.RefreshToken)

	if again.RefreshToken != lost.RefreshToken {
		t.Error("the retry got another leaf")
	}
	if again.AccessToken == lost.AccessToken {
		t.Error("the retry got the same access token")
	}
	if f.mustRefresh(again.RefreshToken).RefreshToken == again.RefreshToken {
		t.Error("the leaf does not rotate")
	}
}

// Same bytes also after the ring rotated: the leaf's own key still signs for a while.
func TestGraceAcrossKeyRotation(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.login("ada")
	lost := f.mustRefresh(first.RefreshToken)
	if _, err := f.rings.Rotate(t.Context(), oauth.RefreshRing, false); err != nil {
		t.Fatal(err)
	}

	if again := f.mustRefresh(first.RefreshToken); again.RefreshToken != lost.RefreshToken {
		t.Error("the retry got other bytes after the ring rotated")
	}
}

// The table of refresh families, case by case; the family's end is what counts. F-111: its row says why it ended.
func TestRefreshReuse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		grace   time.Duration
		present func(f *fixture, gens []string) string
		after   time.Duration
		reason  string // of the family afterwards
	}{
		{"the direct parent after the window is reuse", grace, func(_ *fixture, g []string) string { return g[1] }, grace + time.Second, tokens.ReasonReuse},
		{"a grandparent within the window is reuse: the direct parent only", grace, func(_ *fixture, g []string) string { return g[0] }, 0, tokens.ReasonReuse},
		{"R-08: three rotations in one second are told apart by generation", grace, func(_ *fixture, g []string) string { return g[0] }, grace + time.Second, tokens.ReasonReuse},
		{"R-36: without a window each replay is reuse", 0, func(_ *fixture, g []string) string { return g[1] }, 0, tokens.ReasonReuse},
		{"an expired consumed token is still evidence of theft", grace, func(_ *fixture, g []string) string { return g[0] }, 20 * 24 * time.Hour, tokens.ReasonReuse},
		{"R-31: a token from the future of a restored database is a fork", grace, func(f *fixture, g []string) string {
			f.exec(`alter table authd.token_families disable trigger all;`)
			f.exec(`update authd.token_families set generation = 1, leaf_jti = 'restored', parent_jti = 'older'`)
			return g[2]
		}, 0, tokens.ReasonFork},
		{"the leaf's generation with another identifier is a fork", grace, func(f *fixture, g []string) string {
			f.exec(`alter table authd.token_families disable trigger all;`)
			f.exec(`update authd.token_families set leaf_jti = 'other'`)
			return g[2]
		}, 0, tokens.ReasonFork},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setupWith(t, options{grace: tt.grace})
			generations := []string{f.login("ada").RefreshToken}
			for range 2 {
				generations = append(generations, f.mustRefresh(generations[len(generations)-1]).RefreshToken)
			}
			token := tt.present(f, generations)
			dbtest.SetClock(t, f.pool, tt.after)

			_, err := f.refresh(token)

			refused(t, err, oauth.InvalidGrant)
			if got := f.revokedReason(); got != tt.reason {
				t.Errorf("family ended for %q, want %q", got, tt.reason)
			}
			_, err = f.refresh(generations[2])
			refused(t, err, oauth.InvalidGrant)
		})
	}
}

// the end of the family is in the database before the refusal is told, so no
// restart and no other replica revives it.
func TestReuseIsCommittedBeforeItIsTold(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.login("ada").RefreshToken
	second := f.mustRefresh(first).RefreshToken
	dbtest.SetClock(t, f.pool, grace+time.Second)
	_, err := f.refresh(first)
	refused(t, err, oauth.InvalidGrant)

	replica := serve(t, f.pool, options{grace: grace})
	_, err = replica.refresh(second)

	refused(t, err, oauth.InvalidGrant)
}

// Reasons for which a token is refused and its family is left as it is.
func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		call func(f *fixture, token string) error
		code oauth.Code
	}{
		{"another client's token changes nothing", func(f *fixture, token string) error {
			_, err := f.refreshAt(f.shop(), token, nil)
			return err
		}, oauth.InvalidGrant},
		{"R-13: a confidential client that sends only its id", func(f *fixture, token string) error {
			_, err := f.refreshAt(asPublic("shop"), token, nil)
			return err
		}, oauth.InvalidClient},
		{"an unknown client", func(f *fixture, token string) error {
			_, err := f.refreshAt(asPublic("nobody"), token, nil)
			return err
		}, oauth.InvalidClient},
		{"more scope than the grant's is not consumed", func(f *fixture, token string) error {
			_, err := f.refreshAt(asPublic("app"), token, oauth.Form{"scope": "read admin"})
			return err
		}, oauth.InvalidScope},
		{"R-16: another audience than the grant's", func(f *fixture, token string) error {
			_, err := f.refreshAt(asPublic("app"), token, oauth.Form{"resource": "https://evil.example"})
			return err
		}, oauth.InvalidTarget},
		{"a longer life than the client's bound", func(f *fixture, token string) error {
			_, err := f.refreshAt(asPublic("app"), token, oauth.Form{"expires_in": "86400"})
			return err
		}, oauth.InvalidRequest},
		{"R-26: garbage", func(f *fixture, _ string) error { _, err := f.refresh("garbage"); return err }, oauth.InvalidGrant},
		{"R-26: none", func(f *fixture, _ string) error { _, err := f.refresh(""); return err }, oauth.InvalidRequest},
		{"R-26: an access token", func(f *fixture, _ string) error {
			_, err := f.refresh(f.login("eve").AccessToken)
			return err
		}, oauth.InvalidGrant},
		{"R-29: the token with a line break", func(f *fixture, token string) error { _, err := f.refresh(token + "\n"); return err }, oauth.InvalidGrant},
		{"R-39: a client without the grant", func(f *fixture, token string) error {
			f.exec(`update authd.clients set grant_types = '{authorization_code}' where client_id = 'app'`)
			_, err := f.refresh(token)
			f.exec(`update authd.clients set grant_types = '{refresh_token}' where client_id = 'app'`)
			return err
		}, oauth.UnauthorizedClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			token := f.login("ada").RefreshToken

			refused(t, tt.call(f, token), tt.code)

			if next := claims(t, f.mustRefresh(token).RefreshToken); next["gen"] != 1.0 {
				t.Errorf("the token was consumed: next generation is %v", next["gen"])
			}
		})
	}
}

// What ends a family, whoever does it: one answer for all of them.
func TestDeadFamilies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(f *fixture) error
		code oauth.Code
	}{
		{"subject ended", func(f *fixture) error { _, err := f.db.EndSubject(f.t.Context(), "ada"); return err }, oauth.InvalidGrant},
		{"subject disabled", func(f *fixture) error { return f.db.DisableSubject(f.t.Context(), "ada") }, oauth.InvalidGrant},
		{"subject disabled and enabled: what it ended stays ended", func(f *fixture) error {
			return errors.Join(f.db.DisableSubject(f.t.Context(), "ada"), f.db.EnableSubject(f.t.Context(), "ada"))
		}, oauth.InvalidGrant},
		{"client ended", func(f *fixture) error { return f.db.EndClient(f.t.Context(), "app") }, oauth.InvalidGrant},
		{"client disabled", func(f *fixture) error { return f.db.DisableClient(f.t.Context(), "app") }, oauth.InvalidClient},
		{"client deleted", func(f *fixture) error { return f.db.DeleteClient(f.t.Context(), "app") }, oauth.InvalidClient},
		{"R-20: client deleted and made again", func(f *fixture) error {
			err := f.db.DeleteClient(f.t.Context(), "app")
			f.register(oauth.Client{ID: "app", AuthMethod: oauth.AuthNone, Scopes: oauth.Scopes{"read"}})
			return err
		}, oauth.InvalidGrant},
		{"R-25: idle for longer than the refresh token's life", func(f *fixture) error {
			dbtest.SetClock(f.t, f.pool, 14*24*time.Hour)
			return nil
		}, oauth.InvalidGrant},
		{"R-30: the row is gone", func(f *fixture) error { f.exec(`delete from authd.token_families`); return nil }, oauth.InvalidGrant},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			token := f.login("ada").RefreshToken
			if err := tt.end(f); err != nil {
				t.Fatal(err)
			}

			_, err := f.refresh(token)

			e := refused(t, err, tt.code)
			if tt.code == oauth.InvalidGrant && e.Description != "the refresh token is not valid any more" {
				t.Errorf("the description %q tells reasons apart", e.Description)
			}
		})
	}
}

// refreshed in time for ever, a family ends at its absolute lifetime all the same.
// F-43: an unused refresh token ends sooner, and none goes on for ever.
func TestAbsoluteLifetime(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken
	var last grants.Response
	for day := 10; day < 90; day += 10 {
		dbtest.SetClock(t, f.pool, time.Duration(day)*24*time.Hour)
		last = f.mustRefresh(token)
		token = last.RefreshToken
	}
	dbtest.SetClock(t, f.pool, 90*24*time.Hour-2*time.Minute)
	last = f.mustRefresh(token)

	exp, end := claims(t, last.AccessToken)["exp"].(float64), claims(t, last.RefreshToken)["exp"].(float64)
	if exp > end {
		t.Errorf("the access token outlives its family by %v s", exp-end)
	}
	if last.ExpiresIn > 120 || last.ExpiresIn < 60 {
		t.Errorf("expires_in %d, want what is left of the family", last.ExpiresIn)
	}
	dbtest.SetClock(t, f.pool, 90*24*time.Hour+time.Second)
	_, err := f.refresh(last.RefreshToken)
	refused(t, err, oauth.InvalidGrant)
}

// a narrower scope narrows the answer, not the family.
func TestNarrowerScope(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken

	narrow, err := f.refreshAt(asPublic("app"), token, oauth.Form{"scope": "read"})
	if err != nil {
		t.Fatal(err)
	}
	wide := f.mustRefresh(narrow.RefreshToken)

	if narrow.Scope != "read" || claims(t, narrow.AccessToken)["scope"] != "read" {
		t.Errorf("narrow answer says %q", narrow.Scope)
	}
	if wide.Scope != "read write" {
		t.Errorf("the next answer says %q, want the family's scope", wide.Scope)
	}
	// what was taken from the client is gone with the next refresh.
	f.exec(`update authd.clients set scope = '{read}' where client_id = 'app'`)
	if less := f.mustRefresh(wide.RefreshToken); less.Scope != "read" {
		t.Errorf("after the client lost a scope: %q", less.Scope)
	}
	// an audience too.
	f.exec(`update authd.clients set audience = '{https://new.example}' where client_id = 'app'`)
	_, err = f.refreshAt(asPublic("app"), wide.RefreshToken, oauth.Form{"resource": "https://api.example"})
	refused(t, err, oauth.InvalidTarget)
}

// F-13: however many present one token at once, over however many replicas,
// there is one step, and all that are answered get the same leaf.
func TestRefreshConcurrently(t *testing.T) {
	t.Parallel()
	first := setup(t)
	replicas := []*fixture{first, serve(t, first.pool, options{grace: grace}), serve(t, first.pool, options{grace: grace})}
	token := first.login("ada").RefreshToken
	var mu sync.Mutex
	leaves := make(map[string]int)
	var wg sync.WaitGroup
	for i := range 3 * 15 {
		wg.Go(func() {
			r, err := replicas[i%3].refresh(token)
			if e, ok := errors.AsType[*oauth.Error](err); ok && e.HTTPStatus() == 429 {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			leaves[r.RefreshToken]++
		})
	}
	wg.Wait()

	if len(leaves) != 1 {
		t.Errorf("%d different leaves, want 1", len(leaves))
	}
	for _, n := range leaves {
		if n != 21 { // the rotation and R_max replays
			t.Errorf("%d answers, want 21", n)
		}
	}
	if reason := first.revokedReason(); reason != "" {
		t.Errorf("the family was ended for %q", reason)
	}
}

// The row lock itself: two replicas that both wait for the row decide one after the
// other, each on what the one before it committed.
func TestRefreshWaitsForTheRow(t *testing.T) {
	t.Parallel()
	f := setup(t)
	replica := serve(t, f.pool, options{grace: grace})
	token := f.login("ada").RefreshToken
	holder, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(t.Context()) }()
	if _, err := holder.Exec(t.Context(), `select from authd.token_families for update`); err != nil {
		t.Fatal(err)
	}
	answers := make(chan grants.Response, 2)
	var wg sync.WaitGroup
	for _, server := range []*fixture{f, replica} {
		wg.Go(func() {
			r, err := server.refresh(token)
			if err != nil {
				t.Error(err)
			}
			answers <- r
		})
	}
	dbtest.WaitForLocks(t, f.pool, 2)
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()

	a, b := <-answers, <-answers
	if a.RefreshToken != b.RefreshToken {
		t.Errorf("two leaves, of generations %v and %v", claims(t, a.RefreshToken)["gen"], claims(t, b.RefreshToken)["gen"])
	}
}

// a revocation of any generation beats every refresh that starts after it.
func TestRevokeRacesRefresh(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for range 20 {
		older := f.login("ada").RefreshToken
		leaf := f.mustRefresh(older).RefreshToken
		var wg sync.WaitGroup
		var racer grants.Response
		wg.Go(func() { racer, _ = f.refresh(leaf) })
		wg.Go(func() {
			if err := f.tokens.Revoke(t.Context(), asPublic("app"), older, tokens.ReasonClient); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()

		for _, token := range []string{leaf, racer.RefreshToken} {
			if r, err := f.refresh(token); err == nil {
				t.Fatalf("a refresh after the revocation got %v", r.Scope)
			}
		}
	}
}

// S-02: what is certainly rolled back is tried again, what may be committed is not told
// as either.
func TestRollbacks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		code     string
		atCommit bool
		times    int
		ok       bool
	}{
		{"40001 twice: the third attempt succeeds", "40001", false, 2, true},
		{"40P01 twice", "40P01", false, 2, true},
		{"40001 at COMMIT", "40001", true, 2, true},
		{"40001 without end: 503, and the token is not consumed", "40001", false, 1000, false},
		{"40003 at COMMIT, completion unknown: 503 at once", "40003", true, 1, false},
		{"57P01 at COMMIT, the server shuts down: 503 at once", "57P01", true, 1, false},
		{"53100, disk full: 503", "53100", false, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			token := f.login("ada").RefreshToken
			f.exec(`create sequence public.attempts`) // sequences are not rolled back
			f.exec(`create function public.fail() returns trigger language plpgsql as $$ begin
				if nextval('public.attempts') <= ` + itoa(tt.times) + ` then
					raise exception 'played' using errcode = '` + tt.code + `'; end if;
				return new; end $$`)
			when := `trigger fail before update on authd.token_families`
			if tt.atCommit {
				when = `constraint trigger fail after update on authd.token_families deferrable initially deferred`
			}
			f.exec(`create ` + when + ` for each row execute function public.fail()`)

			_, err := f.refresh(token)

			if tt.ok && err != nil {
				t.Errorf("got %v", err)
			}
			if !tt.ok && !errors.Is(err, db.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			f.exec(`drop trigger fail on authd.token_families`)
			if got := claims(t, f.mustRefresh(token).RefreshToken)["gen"]; got != 1.0 {
				t.Errorf("generation %v, want 1: one effect", got)
			}
		})
	}
}

// panicking is a caller whose check does what it should not.
type panicking struct{ clients.Credentials }

func (panicking) Check(*oauth.Client) error { panic("played") }

// M-18: a panic in the middle of a rotation gives the lock and the connection back.
func TestPanicInRotation(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").RefreshToken
	for range 12 { // more than the pool has connections
		func() {
			defer func() { _ = recover() }()
			_, _ = f.refreshAt(panicking{asPublic("app")}, token, nil)
			t.Error("there was no panic")
		}()
	}

	f.mustRefresh(token)
}
