package db_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

// newCode is one of client shop for ada, who is signed in.
func newCode(t *testing.T) (pool *pgxpool.Pool, d *db.DB, code, session oauth.Secret) {
	t.Helper()
	pool = dbtest.New(t)
	d = db.New(pool)
	newClient(t, d, "shop")
	for _, s := range []*oauth.Secret{&code, &session} {
		var err error
		if *s, err = oauth.NewSecret(rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.InsertSession(t.Context(), db.NewSession{
		SHA256: session.SHA256, Username: "ada", Authentication: oauth.Authentication{Subject: "ada", Time: time.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	request := oauth.AuthorizationRequest{ClientID: "shop", RedirectURI: "https://shop.example/cb", ResponseMode: oauth.ModeQuery}
	if _, err := d.InsertCode(t.Context(), db.NewCode{SHA256: code.SHA256, Request: &request, Session: session.SHA256}); err != nil {
		t.Fatal(err)
	}
	return pool, d, code, session
}

const firstFamily = "11111111-1111-4111-8111-111111111111"

func adasFamily() db.NewFamily {
	return db.NewFamily{
		ID: firstFamily, ClientID: "shop", Subject: "ada", AuthTime: time.Now(), LeafJTI: "j", LeafKID: "k",
		LeafTTL: time.Hour, FamilyTTL: time.Hour,
	}
}

// Of two exchanges of one code the second waits, and then sees what the first has done: no
// two read it as unconsumed.
func TestExchangesOfOneCodeQueue(t *testing.T) {
	t.Parallel()
	pool, d, code, _ := newCode(t)
	first, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *db.Exchange, 1)
	go func() {
		x, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
		if err != nil {
			t.Error(err)
		}
		second <- x
	}()
	dbtest.WaitForLocks(t, pool, 1)

	if _, _, err := first.Redeem(t.Context(), code.SHA256, adasFamily()); err != nil {
		t.Fatal(err)
	}

	x := <-second
	defer x.Rollback(t.Context())
	if x.Code.ConsumedAt == nil || x.Code.FamilyID == nil || *x.Code.FamilyID != firstFamily {
		t.Errorf("the second sees %+v, want it consumed by the first's family", x.Code)
	}
}

// P-17: a session does not end under an exchange; its end waits for the family.
func TestEndOfASessionWaitsForTheExchange(t *testing.T) {
	t.Parallel()
	pool, d, code, session := newCode(t)
	x, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
	if err != nil || !x.SessionLives {
		t.Fatalf("session lives: %t, %v", x.SessionLives, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.EndSession(t.Context(), session.SHA256) }()
	dbtest.WaitForLocks(t, pool, 1)

	_, _, errRedeem := x.Redeem(t.Context(), code.SHA256, adasFamily())

	if errEnd := <-ended; errRedeem != nil || errEnd != nil {
		t.Errorf("redeem: %v, end: %v", errRedeem, errEnd)
	}
}

// A subject that was ended since the code was read gets no family, and the code stays.
func TestRedeemAfterAnEnd(t *testing.T) {
	t.Parallel()
	pool, d, code, _ := newCode(t)
	x, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.EndSubject(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}

	_, _, err = x.Redeem(t.Context(), code.SHA256, adasFamily())

	var consumed int
	if scan := pool.QueryRow(t.Context(), `select count(consumed_at) from authd.authorization_codes`).Scan(&consumed); scan != nil {
		t.Fatal(scan)
	}
	if !errors.Is(err, db.ErrNotFound) || consumed != 0 {
		t.Errorf("got %v, %d codes consumed", err, consumed)
	}
}

// Whoever writes the statement: a code is used once, and never for anything else.
func TestCodesAreGuarded(t *testing.T) {
	t.Parallel()
	pool, d, code, _ := newCode(t)
	x, err := d.BeginExchange(t.Context(), code.SHA256, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Redeem(t.Context(), code.SHA256, adasFamily()); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{
		`consumed_at = null, family_id = null`, `family_id = gen_random_uuid()`, `wrong_guesses = 1`, `redirect_uri = ''`,
		`expires_at = expires_at + interval '1 day'`, `scope = '{admin}'`,
	} {
		if _, err := pool.Exec(t.Context(), `update authd.authorization_codes set `+change); err == nil {
			t.Errorf("%s was accepted", change)
		}
	}
}
