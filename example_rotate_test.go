package authd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

// Keys are rotated by hand: the announced key signs, the next is announced, and tokens
// that are out stay valid. Until verifiers have had the time to see the next, it is refused.
func ExampleServer_RotateKeys() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as := httptest.NewServer(srv.Handler())
	defer as.Close()
	v, err := rs.New(ctx, rs.Config{Issuer: "https://auth.example.com", Audience: "https://auth.example.com", Keys: srv})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	_, secret, err := srv.CreateClient(ctx, authd.Client{ID: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	signedBy := func(accessToken string) string {
		t, err := v.Verify(ctx, accessToken)
		if err != nil {
			log.Fatal(err)
		}
		return t.Kid
	}

	before := requestToken(as, "shop", secret, url.Values{"grant_type": {"client_credentials"}})
	rotation, err := srv.RotateKeys(ctx, false)
	if err != nil {
		log.Fatal(err)
	}
	after := requestToken(as, "shop", secret, url.Values{"grant_type": {"client_credentials"}})
	fmt.Println("old token by the previous key:", signedBy(before.AccessToken) == rotation.Access.Previous)
	fmt.Println("new token by the announced key:", signedBy(after.AccessToken) == rotation.Access.Signing)

	_, err = srv.RotateKeys(ctx, false)
	tooYoung, ok := errors.AsType[*authd.KeyTooYoungError](err)
	fmt.Println("once more:", ok, "because of ring", tooYoung.Ring)
	// Output:
	// old token by the previous key: true
	// new token by the announced key: true
	// once more: true because of ring access
}
