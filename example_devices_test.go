package authd_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/netip"
	"net/url"

	"github.com/go-authd/authd"
)

// A page of the host's that shows people where they are signed in, and signs one device out.
func ExampleAdmin_RevokeFamilyOf() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	// The proxy in front overwrites X-Real-IP. Nothing is kept without Device.
	device, err := authd.ProxiedDevice("X-Real-IP", netip.MustParsePrefix("10.0.0.0/8"))
	if err != nil {
		log.Fatal(err)
	}
	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek}, Device: device,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as := httptest.NewServer(srv.Handler())
	defer as.Close()
	_, _, err = srv.CreateClient(ctx, authd.Client{ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}})
	if err != nil {
		log.Fatal(err)
	}
	// Grace signs in at the host's own login page, from a laptop and from a phone.
	signIn := func(address, userAgent string) authd.Tokens {
		tokens, err := srv.Issue(ctx, authd.SignedIn{
			ClientID: "app", Subject: authd.Subject{ID: "person-1"},
			Device: authd.Device{Address: netip.MustParseAddr(address), UserAgent: userAgent},
		})
		if err != nil {
			log.Fatal(err)
		}
		return tokens
	}
	signIn("192.0.2.7", "Firefox on Linux")
	phone := signIn("2001:db8::7", "App/3.1 (Android)")

	// The page: "person-1" is who looks at it.
	families, err := srv.Families(ctx, authd.FamilyFilter{Subject: "person-1"})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		fmt.Println(f.Last.UserAgent, "at", f.Last.Address)
	}

	// The button next to the phone. Whatever identifier the form holds, it ends a family of
	// person-1 or none.
	if err := srv.RevokeFamilyOf(ctx, "person-1", phone.FamilyID); err != nil {
		log.Fatal(err)
	}
	fmt.Println("somebody else:", srv.RevokeFamilyOf(ctx, "person-2", families[1].ID))
	refreshed := requestToken(as, "app", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {phone.RefreshToken}})
	fmt.Println("the phone:", refreshed.Error)
	// Output:
	// App/3.1 (Android) at 2001:db8::7
	// Firefox on Linux at 192.0.2.7
	// somebody else: not found
	// the phone: invalid_grant
}
