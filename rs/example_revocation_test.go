package rs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-authd/authd/rs"
)

// A resource server that hears of revocations within about a second, without asking about each token. While the issuer
// cannot be heard for longer than MaxStaleness, this one refuses tokens with 503.
func ExampleNewFeed() {
	issuer := startIssuer()
	defer issuer.Close()
	ctx := context.Background()
	feed, err := rs.NewFeed(ctx, rs.FeedConfig{
		Issuer: issuer.URL, ClientID: "orders", ClientSecret: "authd_cs_…", OnStale: rs.Refuse,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer feed.Close()
	v, err := rs.New(ctx, rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com", Revocation: feed})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	token := issuer.token("orders:read")
	_, err = v.Verify(ctx, token)
	fmt.Println("before:", err)
	issuer.RevokeSubject("usr_1")
	for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); {
		_, err = v.Verify(ctx, token)
	}
	fmt.Println("after:", err, errors.Is(err, rs.ErrRevoked))
	fmt.Println("up to date:", feed.Staleness() < 30*time.Second)
	// Output:
	// before: <nil>
	// after: rs: token invalid: revoked true
	// up to date: true
}

// The exact alternative: each request asks the issuer about its token.
func ExampleNewIntrospection() {
	issuer := startIssuer()
	defer issuer.Close()
	ctx := context.Background()
	introspection, err := rs.NewIntrospection(ctx, rs.IntrospectionConfig{
		Issuer: issuer.URL, ClientID: "orders", ClientSecret: "authd_cs_…",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer introspection.Close()
	v, err := rs.New(ctx, rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com", Revocation: introspection})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	token := issuer.token("orders:read")
	_, err = v.Verify(ctx, token)
	fmt.Println("before:", err)
	issuer.RevokeSubject("usr_1")
	_, err = v.Verify(ctx, token)
	fmt.Println("after:", err)
	// Output:
	// before: <nil>
	// after: rs: token invalid: revoked
}

// onlyAdmin asks the issuer about the few tokens that can do harm, and the feed about all.
type onlyAdmin struct {
	feed, exact rs.Checker
}

func (c onlyAdmin) Revoked(ctx context.Context, t *rs.Token) (bool, error) {
	if revoked, err := c.feed.Revoked(ctx, t); revoked || err != nil {
		return revoked, err
	}
	for _, scope := range t.Scopes {
		if strings.HasPrefix(scope, "admin:") {
			return c.exact.Revoked(ctx, t)
		}
	}
	return false, nil
}

// A Checker of the host's own, made of both.
func ExampleChecker() {
	issuer := startIssuer()
	defer issuer.Close()
	ctx := context.Background()
	feed, err := rs.NewFeed(ctx, rs.FeedConfig{
		Issuer: issuer.URL, ClientID: "orders", ClientSecret: "authd_cs_…", OnStale: rs.Accept,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer feed.Close()
	exact, err := rs.NewIntrospection(ctx, rs.IntrospectionConfig{
		Issuer: issuer.URL, ClientID: "orders", ClientSecret: "authd_cs_…",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer exact.Close()
	v, err := rs.New(ctx, rs.Config{
		Issuer: issuer.URL, Audience: "https://api.example.com", Revocation: onlyAdmin{feed, exact},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	token := issuer.token("admin:orders")
	issuer.RevokeSubject("usr_1") // the feed may not know yet
	_, err = v.Verify(ctx, token)
	fmt.Println(err)
	// Output:
	// rs: token invalid: revoked
}
