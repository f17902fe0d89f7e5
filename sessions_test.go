package authd_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
)

func (h *harness) sessionsOf(name string) []authd.Session {
	h.t.Helper()
	list, err := h.server.Sessions(h.t.Context(), h.subject(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// toldOf are the events of one type.
func toldOf[E authd.Event](h *harness) (found []E) {
	for _, e := range h.told() {
		if e, ok := e.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// W-19, ASVS 7.4.5: the operator sees in which browsers a person is signed in, and ends one, at
// once, and with it what OpenID Connect ties to it.
func TestOperatorEndsASession(t *testing.T) {
	t.Parallel()
	h := withPagesAnd(t, func(c *authd.Config) { c.Device = authd.PeerDevice })
	h.client(authd.Client{
		ID: "rp", AuthMethod: "none", Scopes: []string{"openid", "offline_access"}, RedirectURIs: []string{appCallback},
	})
	p, other, bob := h.person(), h.person(), h.person()
	p.headers = map[string]string{"User-Agent": "Laptop/1.0"}
	bob.home("bob", password)
	other.home("ada", password)
	p.home("ada", password)
	outlives, ends := p.appOf("rp", "openid", "offline_access"), p.appOf("rp", "openid", "offline_access")
	// Of two families one was never to outlive the session.
	if _, err := h.pool.Exec(t.Context(), `alter table authd.token_families disable trigger user;
		update authd.token_families set scope = '{openid}' where id = '`+familyOf(t, ends)+`'; alter table authd.token_families enable trigger user`); err != nil {
		t.Fatal(err)
	}
	list, subject := h.sessionsOf("ada"), h.subject("ada")
	if len(list) != 2 || list[0].Device.UserAgent != "Laptop/1.0" || !list[0].Device.Address.IsLoopback() || list[0].Username != "ada" ||
		list[0].Subject != subject || !list[0].ExpiresAt.After(list[0].LastUsedAt) || list[0].CreatedAt.Before(list[1].CreatedAt) {
		t.Fatalf("sessions %+v", list)
	}
	for _, wrong := range [][2]string{{h.subject("bob"), list[0].ID}, {subject, h.sessionsOf("bob")[0].ID}, {subject, "x"}, {subject, ""}, {"nobody", list[0].ID}} {
		if err := h.server.EndSession(t.Context(), wrong[0], wrong[1]); !errors.Is(err, authd.ErrNotFound) {
			t.Errorf("%v: %v, want ErrNotFound", wrong, err)
		}
	}

	if err := h.server.EndSession(t.Context(), subject, list[0].ID); err != nil {
		t.Fatal(err)
	}

	if p.isSignedIn() || !other.isSignedIn() || !bob.isSignedIn() || len(h.sessionsOf("ada")) != 1 {
		t.Error("another session ended than the one")
	}
	if h.refreshesAt("rp", ends) || !h.refreshesAt("rp", outlives) {
		t.Error("of the families, those with openid and without offline_access end")
	}
	if err := h.server.EndSession(t.Context(), subject, list[0].ID); !errors.Is(err, authd.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	want := []authd.SessionEnded{{SessionID: list[0].ID, Subject: subject, Reason: "revoked_by_operator"}}
	if diff := cmp.Diff(want, toldOf[authd.SessionEnded](h)); diff != "" {
		t.Error(diff)
	}
	if revoked := toldOf[authd.FamilyRevoked](h); len(revoked) != 1 || revoked[0].FamilyID != familyOf(t, ends) || revoked[0].Reason != "revoked_by_operator" {
		t.Errorf("families %+v", revoked)
	}
}

func familyOf(t *testing.T, token *oauth2.Token) string {
	t.Helper()
	return part(t, token.AccessToken, 1)["sid"].(string)
}

// appOf is [person.app] of another client.
func (p *person) appOf(client string, scopes ...string) *oauth2.Token {
	p.t.Helper()
	config, verifier := p.config(scopes...), oauth2.GenerateVerifier()
	config.ClientID = client
	a := p.open(config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)))
	if strings.HasPrefix(a.header.Get("Location"), "/consent") {
		a = p.submit(p.follow(a), "decision", "allow")
	}
	token, err := config.Exchange(p.t.Context(), p.back(a).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

func (h *harness) refreshesAt(client string, token *oauth2.Token) bool {
	h.t.Helper()
	config := h.config()
	config.ClientID = client
	_, err := config.TokenSource(h.t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	return err == nil
}

// Lists have what counts: no session that is over, and no consent to an earlier epoch.
func TestListsOfAPersonHaveWhatCounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		end                func(h *harness, subject string) error
		sessions, consents int
	}{
		{"nothing has ended", func(*harness, string) error { return nil }, 1, 1},
		{"a session lay unused for a day", func(h *harness, _ string) error { dbtest.SetClock(h.t, h.pool, 25*time.Hour); return nil }, 0, 1},
		{"the person is disabled", func(h *harness, _ string) error { return h.server.DisableUser(h.t.Context(), "ada") }, 0, 1},
		{"the person is ended", func(h *harness, s string) error { return h.server.RevokeSubject(h.t.Context(), s) }, 0, 1},
		{"the client is ended", func(h *harness, _ string) error { return h.server.RevokeClient(h.t.Context(), "app") }, 1, 0},
		{"the client is deleted", func(h *harness, _ string) error { return h.server.DeleteClient(h.t.Context(), "app") }, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := withPages(t)
			p := h.person()
			p.home("ada", password)
			p.app()
			subject := h.subject("ada")
			if err := tt.end(h, subject); err != nil {
				t.Fatal(err)
			}

			consents, err := h.server.Consents(t.Context(), subject)
			if err != nil {
				t.Fatal(err)
			}

			if len(h.sessionsOf("ada")) != tt.sessions || len(consents) != tt.consents {
				t.Errorf("%d sessions and %+v, want %d and %d", len(h.sessionsOf("ada")), consents, tt.sessions, tt.consents)
			}
		})
	}
}

// ASVS 10.7.3: what a person has allowed is taken back, with all that came of it.
func TestOperatorWithdrawsAConsent(t *testing.T) {
	t.Parallel()
	h := withPages(t)
	p, bob := h.person(), h.person()
	p.home("ada", password)
	bob.home("bob", password)
	token, bobs := p.app(), bob.app()
	unused := p.back(p.open(authorizeURL(h, "s", strings.Repeat("v", 43)))).Get("code")
	subject := h.subject("ada")
	consents, err := h.server.Consents(t.Context(), subject)
	if err != nil || len(consents) != 1 || consents[0].ClientID != "app" || consents[0].Subject != subject ||
		!slices.Equal(consents[0].Scopes, []string{"read"}) || consents[0].AllowedAt.IsZero() {
		t.Fatalf("consents %+v, %v", consents, err)
	}
	for _, wrong := range [][2]string{{subject, "web"}, {subject, ""}, {"nobody", "app"}} {
		if err := h.server.WithdrawConsent(t.Context(), wrong[0], wrong[1]); !errors.Is(err, authd.ErrNotFound) {
			t.Errorf("%v: %v, want ErrNotFound", wrong, err)
		}
	}

	if err := h.server.WithdrawConsent(t.Context(), subject, "app"); err != nil {
		t.Fatal(err)
	}

	if h.refreshes(token) || !h.refreshes(bobs) || !p.isSignedIn() {
		t.Error("what ended is not what the consent led to")
	}
	if _, err := h.config().Exchange(t.Context(), unused, oauth2.VerifierOption(strings.Repeat("v", 43))); err == nil {
		t.Error("a code from before is good")
	}
	if a := p.open(authorizeURL(h, "s", strings.Repeat("v", 43))); !strings.HasPrefix(a.header.Get("Location"), "/consent") {
		t.Errorf("not asked again: %d to %q", a.status, a.header.Get("Location"))
	}
	if err := h.server.WithdrawConsent(t.Context(), subject, "app"); !errors.Is(err, authd.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	want := []authd.ConsentWithdrawn{{Subject: subject, ClientID: "app", Reason: "revoked_by_operator"}}
	if diff := cmp.Diff(want, toldOf[authd.ConsentWithdrawn](h)); diff != "" {
		t.Error(diff)
	}
}

// Every event that the browser's way in leads to has a log line of its own, without what was
// typed.
func TestEventsOfPeopleAreLogged(t *testing.T) {
	t.Parallel()
	h := withRegistration(t)
	p := h.person()
	page := p.follow(p.open("/account"))
	dbtest.StopClock(t, h.pool, time.Now()) // no wait of the throttle ends
	for range 6 {
		p.submit(page, "username", "nobody-typed-this", "password", "x")
	}
	p.submit(p.open("/register"), "username", "eve", "password", password, "password_again", password)
	consent := p.follow(p.open(authorizeURL(h, "s", strings.Repeat("v", 43))))
	p.submit(consent, "decision", "deny")
	p.app()
	p.does(p.open("/account"), "remove", "id", "app")
	p.does(p.open("/account"), "sign_out")

	told := map[string]bool{}
	for _, e := range h.told() {
		told[reflect.TypeOf(e).Name()] = true
	}
	for event, line := range map[string]string{
		"SignInFailed": "sign-in failed", "SignInThrottled": "sign-in throttled", "UserRegistered": "user registered", "SessionBegun": "session begun",
		"ConsentDenied": "consent denied", "ConsentGiven": "consent given", "ConsentWithdrawn": "consent withdrawn", "SessionEnded": "session ended",
	} {
		if !told[event] || !strings.Contains(h.log.String(), `"msg":"`+line+`"`) {
			t.Errorf("%s: told %t, and no line %q", event, told[event], line)
		}
	}
	for _, typed := range []string{"nobody-typed-this", password} {
		if strings.Contains(h.log.String(), typed) {
			t.Errorf("the log holds %q", typed)
		}
	}
}
