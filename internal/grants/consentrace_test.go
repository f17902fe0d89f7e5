package grants_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// begun is a transaction over a connection of its own.
func (f *fixture) begun() pgx.Tx {
	f.t.Helper()
	conn, err := pgx.ConnectConfig(f.t.Context(), f.pool.Config().ConnConfig)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return tx
}

// A consent that ends after it was looked at, and before the code is made, gives none.
func TestConsentEndsUnderAnAnswer(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	f.codeIn(b, nil)
	f.exec(`delete from authd.authorization_codes`)
	removal := f.begun()
	if _, err := removal.Exec(t.Context(), `delete from authd.consents`); err != nil {
		t.Fatal(err)
	}
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, err = f.grants.Authorize(t.Context(), request(nil), b)
	}()
	f.waitForLock(over)

	if err := removal.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-over

	refused(t, err, oauth.Expired)
	if n := f.count(`authorization_codes`); n != 0 {
		t.Errorf("%d codes", n)
	}
}

// waitForLock returns when somebody waits for a lock, and fails if it is over before.
func (f *fixture) waitForLock(over <-chan struct{}) {
	f.t.Helper()
	for f.lockWaits() == 0 {
		select {
		case <-over:
			f.t.Fatal("it did not wait")
		default:
		}
	}
}

// And a code that was being made of it ends with it.
func TestConsentEndsWithTheCodeMadeOfIt(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	f.codeIn(b, nil)
	f.exec(`delete from authd.authorization_codes`)
	answer := f.begun()
	if _, err := f.db.In(answer).InsertCode(t.Context(), db.NewCode{
		SHA256: oauth.SecretOf("code").SHA256, Request: &oauth.AuthorizationRequest{ClientID: "spa", RedirectURI: callback, Challenge: challenge},
		Scopes: oauth.Scopes{"read"}, Session: oauth.SecretOf(b.Session).SHA256, OfConsent: true,
	}); err != nil {
		t.Fatal(err)
	}
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		err = f.grants.RemoveConsent(t.Context(), b, "spa")
	}()
	f.waitForLock(over)

	if err := answer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-over

	if n := f.count(`authorization_codes`) + f.count(`consents`); err != nil || n != 0 {
		t.Errorf("%d codes and consents, %v", n, err)
	}
}

// What a code needs no consent for, it does not need later either; and less than was allowed
// is allowed.
func TestCodeOfAConsent(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	f.register(oauth.Client{
		ID: "own", AuthMethod: oauth.AuthNone, Scopes: oauth.Scopes{"read"}, RedirectURIs: []string{callback}, FirstParty: true,
	})
	b := f.signedIn("ada")
	f.codeIn(b, map[string]string{"scope": "read write"})

	for name, more := range map[string]map[string]string{
		"less than was allowed":   {"scope": "write"},
		"as much":                 {"scope": "write read"},
		"a client of the house's": {"client_id": "own"},
	} {
		if a := f.authorize(b, more).Answer; a == nil || param(a, "code") == "" {
			t.Errorf("%s: %v", name, a)
		}
	}
}
