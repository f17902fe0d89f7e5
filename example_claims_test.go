package authd_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

// Access tokens say to which tenant a client belongs; a client without one gets none.
func ExampleConfig_claims() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	tenants := map[string]string{"shop": "acme"}

	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek},
		Claims: func(_ context.Context, g authd.Grant) (map[string]any, error) {
			tenant, ok := tenants[g.ClientID]
			if !ok {
				return nil, authd.ErrDenied
			}
			return map[string]any{"tenant": tenant}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as := httptest.NewServer(srv.Handler())
	defer as.Close()
	v, err := rs.New(ctx, rs.Config{Issuer: "https://auth.example.com", Audience: "https://api.example.com", Keys: srv})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()

	for _, id := range []string{"shop", "stranger"} {
		_, secret, err := srv.CreateClient(ctx, authd.Client{
			ID: id, Audiences: []string{"https://api.example.com"},
		})
		if err != nil {
			log.Fatal(err)
		}
		answer := requestToken(as, id, secret, url.Values{"grant_type": {"client_credentials"}})
		if answer.Error != "" {
			fmt.Println(id, answer.Status, answer.Error)
			continue
		}
		verified, err := v.Verify(ctx, answer.AccessToken)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id, verified.Claims["tenant"])
	}
	// Output:
	// shop acme
	// stranger 400 access_denied
}
