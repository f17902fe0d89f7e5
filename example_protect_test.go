package authd_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

// A resource server admits requests whose access token is for it and has scope read.
func Example_protect() {
	ctx := context.Background()
	as, client, secret, stop := exampleIssuer(ctx)
	defer stop()
	issuer := as.URL
	mux := http.NewServeMux()

	v, err := rs.New(ctx, rs.Config{Issuer: issuer, Audience: "https://api.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	orders := func(w http.ResponseWriter, r *http.Request) {
		token, _ := rs.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s\n", token.Subject)
	}
	mux.Handle("GET /orders", v.Required(rs.Scopes("read"))(http.HandlerFunc(orders)))

	api := httptest.NewServer(mux)
	defer api.Close()
	get := func(accessToken string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL+"/orders", nil)
		if err != nil {
			log.Fatal(err)
		}
		if accessToken != "" {
			req.Header.Set("Authorization", "Bearer "+accessToken)
		}
		res, err := api.Client().Do(req)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			log.Fatal(err)
		}
		if challenge := res.Header.Get("WWW-Authenticate"); challenge != "" {
			body = []byte(challenge)
		}
		fmt.Println(res.StatusCode, strings.TrimSpace(string(body)))
	}
	get(requestToken(as, client, secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}).AccessToken)
	get(requestToken(as, client, secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"write"}}).AccessToken)
	get("")
	// Output:
	// 200 orders of shop
	// 403 Bearer error="insufficient_scope", scope="read"
	// 401 Bearer realm="https://api.example.com"
}

// exampleIssuer is an authorization server with one client, whose tokens are for the API.
func exampleIssuer(ctx context.Context) (as *httptest.Server, client, secret string, stop func()) {
	pool, kek, drop := exampleDatabase(ctx)
	as = httptest.NewUnstartedServer(nil)
	srv, err := authd.New(ctx, authd.Config{
		Issuer: "http://" + as.Listener.Addr().String(), DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek},
	})
	if err != nil {
		log.Fatal(err)
	}
	as.Config = authd.HTTPServer(srv.Handler())
	as.Start()
	_, secret, err = srv.CreateClient(ctx, authd.Client{
		ID: "shop", Scopes: []string{"read", "write"}, Audiences: []string{"https://api.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	return as, "shop", secret, func() {
		as.Close()
		_ = srv.Close()
		drop()
	}
}
