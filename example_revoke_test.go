package authd_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd"
)

// A person's row and all that was granted to the person go in one transaction: both are
// gone, or neither.
func ExampleAdmin_RevokeSubjectTx() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	users := people{pool}
	users.add(ctx, "person-7", "ada", "correct horse battery staple")
	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek},
		Authenticator: users, Accounts: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as := httptest.NewServer(srv.Handler())
	defer as.Close()
	_, _, err = srv.CreateClient(ctx, authd.Client{
		ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, FirstParty: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	signedIn := login(as, "app", "ada", "correct horse battery staple")

	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `delete from people where id = $1`, "person-7"); err != nil {
			return err
		}
		return srv.RevokeSubjectTx(ctx, tx, "person-7")
	})
	if err != nil {
		log.Fatal(err)
	}

	refreshed := requestToken(as, "app", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {signedIn.RefreshToken}})
	fmt.Println("refresh:", refreshed.Error)
	fmt.Println("login:", login(as, "app", "ada", "correct horse battery staple").Error)
	// Output:
	// refresh: invalid_grant
	// login: invalid_credentials
}
