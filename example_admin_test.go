package authd_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/go-authd/authd"
)

// A program that manages registrations and signs nothing needs no key-encryption key. A
// secret is changed without downtime: two are live while the client moves from one to the other.
func ExampleNewAdmin() {
	ctx := context.Background()
	pool, _, drop := exampleDatabase(ctx)
	defer drop()
	admin, err := authd.NewAdmin(ctx, pool)
	if err != nil {
		log.Fatal(err)
	}
	shop, _, err := admin.CreateClient(ctx, authd.Client{ID: "shop", Scopes: []string{"orders:read"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shop.ID, shop.AuthMethod, shop.GrantTypes)

	if _, _, err := admin.AddClientSecret(ctx, "shop"); err != nil {
		log.Fatal(err)
	}
	_, _, err = admin.AddClientSecret(ctx, "shop")
	fmt.Println("a third secret:", errors.Is(err, authd.ErrTwoSecrets))
	if shop, err = admin.Client(ctx, "shop"); err != nil {
		log.Fatal(err)
	}
	if err := admin.RemoveClientSecret(ctx, "shop", shop.Secrets[0].ID); err != nil {
		log.Fatal(err)
	}

	_, err = admin.CreateUser(ctx, authd.NewUser{Username: "ada", Password: "lovelace"})
	invalid, _ := errors.AsType[*authd.InvalidError](err)
	fmt.Println(invalid.Reason)
	_, err = admin.UpdateClient(ctx, "shop", func(c *authd.Client) { c.Audiences = []string{"https://api.example.com#v1"} })
	fmt.Println(err)
	_, err = admin.Client(ctx, "blog")
	fmt.Println("blog:", errors.Is(err, authd.ErrNotFound))
	// Output:
	// shop client_secret_basic [client_credentials]
	// a third secret: true
	// password must have at least 15 characters
	// audience values must be 1 to 1024 bytes without spaces and fragments (RFC 8707 §2)
	// blog: true
}
