package grants_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
)

var errRollback = errors.New("the host rolls back")

// A grant that the host makes in its own transaction is there with the commit, and its
// tokens not before.
func TestBeginInTheHostsTransaction(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		f := setup(t)
		secret := f.apiSecret()
		var begun grants.Begun
		err := pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) (err error) {
			begun, err = f.grants.Begin(t.Context(), f.db.In(tx), "app", oauth.Authentication{Subject: "ada"}, oauth.Form{"scope": "read"})
			if err != nil {
				return err
			}
			if _, err := f.grants.Finish(t.Context(), begun); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("before the commit: %v, want db.ErrNotFound", err)
			}
			if !commit {
				return errRollback
			}
			return nil
		})
		if commit != (err == nil) {
			t.Fatal(err)
		}
		r, err := f.grants.Finish(t.Context(), begun)
		if !commit && !errors.Is(err, db.ErrNotFound) {
			t.Errorf("after the rollback: %v, want db.ErrNotFound", err)
		}
		if commit && (err != nil || r.Scope != "read" || !f.introspect(secret, r.AccessToken).Active) {
			t.Errorf("after the commit: %+v, %v", r, err)
		}
	}
}

func TestBeginRefuses(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, tt := range []struct {
		name, client string
		who          oauth.Authentication
		form         oauth.Form
		code         oauth.Code
	}{
		{"an unknown client", "nobody", oauth.Authentication{Subject: "ada"}, nil, oauth.InvalidClient},
		{"more than the client has", "app", oauth.Authentication{Subject: "ada"}, oauth.Form{"scope": "admin"}, oauth.InvalidScope},
		{"another audience", "app", oauth.Authentication{Subject: "ada"}, oauth.Form{"resource": "https://else.example"}, oauth.InvalidTarget},
		{"an epoch that is over", "app", oauth.Authentication{Subject: "ada", Epoch: 7}, nil, oauth.InvalidGrant},
	} {
		_, err := f.grants.Begin(t.Context(), f.db, tt.client, tt.who, tt.form)
		if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != tt.code {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
}

// Ending a subject and granting again in one transaction, as for a new password: the feed
// says that tokens with an iat before the end are dead, and these are not.
func TestBeginAfterAnEndInOneSecond(t *testing.T) {
	t.Parallel()
	f := setup(t)
	subject, err := f.db.EndSubject(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	begun, err := f.grants.Begin(t.Context(), f.db, "app", oauth.Authentication{Subject: "ada", Epoch: subject.Epoch}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.grants.Finish(t.Context(), begun)
	if err != nil {
		t.Fatal(err)
	}

	iat := int64(claims(t, r.AccessToken)["iat"].(float64))
	if iat < subject.EndedAt.Unix() {
		t.Errorf("iat %d lies before the end at %d", iat, subject.EndedAt.Unix())
	}
	if now := time.Now().Unix(); iat > now {
		t.Errorf("iat %d lies ahead of %d", iat, now)
	}
}
