package authd_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd"
)

// A new person's row and the first grant go in one transaction: both are there, or neither.
// The tokens are signed after the commit, since a token outlives a rollback.
func ExampleServer_IssueTx() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	users := people{pool}
	users.add(ctx, "person-1", "grace", "correct horse battery staple")
	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	_, _, err = srv.CreateClient(ctx, authd.Client{
		ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, Scopes: []string{"orders:read", "orders:write"},
	})
	if err != nil {
		log.Fatal(err)
	}

	// The host has made sure who it is, by a link in a mail say.
	var issuance *authd.Issuance
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		if _, err := tx.Exec(ctx, `update people set name = 'Grace' where id = 'person-1'`); err != nil {
			return err
		}
		issuance, err = srv.IssueTx(ctx, tx, authd.SignedIn{
			ClientID: "app", Subject: authd.Subject{ID: "person-1", AMR: []string{"otp"}}, Scopes: []string{"orders:read"},
		})
		if err != nil {
			return err
		}
		_, early := issuance.Tokens(ctx)
		fmt.Println("before the commit:", errors.Is(early, authd.ErrNotFound))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := issuance.Tokens(ctx)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println("scopes:", tokens.Scopes)
	fmt.Println("good for:", tokens.ExpiresIn)
	fmt.Println("refreshable:", tokens.RefreshToken != "")
	fmt.Println("token is good:", srv.InspectToken(ctx, tokens.AccessToken, "https://auth.example.com") == nil)

	_, err = srv.Issue(ctx, authd.SignedIn{ClientID: "app", Subject: authd.Subject{ID: "person-1"}, Scopes: []string{"admin"}})
	fmt.Println("too much:", err)
	// Output:
	// before the commit: true
	// scopes: [orders:read]
	// good for: 10m0s
	// refreshable: true
	// token is good: true
	// too much: scope exceeds what this client was granted
}
