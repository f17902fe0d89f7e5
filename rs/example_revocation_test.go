package rs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/rs"
)

// A resource server that hears of revocations within about a second, without asking about each token. While the issuer
// cannot be heard for longer than MaxStaleness, this one refuses tokens with 503.
func ExampleNewFeed() {
	issuer := startRevokingIssuer()
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
	issuer.revokeAll()
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
	issuer := startRevokingIssuer()
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
	issuer.revokeAll()
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
	issuer := startRevokingIssuer()
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
	issuer.revokeAll() // the feed may not know yet
	_, err = v.Verify(ctx, token)
	fmt.Println(err)
	// Output:
	// rs: token invalid: revoked
}

// revokingIssuer is startIssuer's with introspection and a feed.
type revokingIssuer struct {
	*exampleIssuer
	revokedAt atomic.Int64 // in seconds; 0 for never
	revoked   chan struct{}
}

func startRevokingIssuer() *revokingIssuer {
	i := &revokingIssuer{exampleIssuer: startIssuer(), revoked: make(chan struct{})}
	keys := i.Config.Handler
	mux := http.NewServeMux()
	mux.Handle("/", keys)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": i.URL, "jwks_uri": i.URL + "/.well-known/jwks.json",
			"introspection_endpoint": i.URL + "/introspect", "authd_revocations_endpoint": i.URL + "/revocations",
		})
	})
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]bool{"active": i.revokedAt.Load() == 0})
	})
	mux.HandleFunc("GET /revocations", i.serveFeed)
	i.Config.Handler = mux
	return i
}

// revokeAll ends the tokens of usr_1.
func (i *revokingIssuer) revokeAll() {
	i.revokedAt.Store(time.Now().Unix() + 1)
	close(i.revoked)
}

func (i *revokingIssuer) serveFeed(w http.ResponseWriter, r *http.Request) {
	if wait := r.Header.Get("Prefer"); wait != "" && r.URL.Query().Get("after") != "1" {
		w.Header().Set("Preference-Applied", wait)
		select {
		case <-i.revoked:
		case <-r.Context().Done():
			return
		}
	}
	if at := i.revokedAt.Load(); at > 0 {
		fmt.Fprintf(w, `{"revoked":[{"sub":"usr_1","before":%d,"exp":%d}],"next":"1"}`, at, at+3600)
		return
	}
	fmt.Fprint(w, `{"revoked":[],"next":"0"}`)
}
