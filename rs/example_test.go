package rs_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/go-authd/authd/rs"
)

// A resource server with one protected route. The issuer stands for a running authd.
func ExampleVerifier_Required() {
	issuer := startIssuer()
	defer issuer.Close()

	v, err := rs.New(context.Background(), rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := rs.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s", t.Subject)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Required(rs.Scopes("orders:read"))(orders))
	api := httptest.NewServer(mux)
	defer api.Close()

	call(api.URL+"/orders", "")
	call(api.URL+"/orders", issuer.token("profile"))
	call(api.URL+"/orders", issuer.token("profile orders:read"))
	// Output:
	// 401 Bearer realm="https://api.example.com"
	// 403 Bearer error="insufficient_scope", scope="orders:read"
	// 200 orders of usr_1
}

func call(url, token string) {
	req, _ := http.NewRequest(http.MethodGet, url, nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		fmt.Println(resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		return
	}
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body))
}

type exampleIssuer struct {
	*httptest.Server
	key jose.JSONWebKey
}

func startIssuer() *exampleIssuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	i := &exampleIssuer{key: jose.JSONWebKey{Key: key, KeyID: "k1", Use: "sig", Algorithm: "RS256"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/.well-known/jwks.json"})
	})
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}})
	})
	i.Server = httptest.NewServer(mux)
	return i
}

func (i *exampleIssuer) token(scope string) string {
	options := new(jose.SignerOptions).WithType("at+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: i.key}, options)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	raw, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": i.URL, "sub": "usr_1", "aud": "https://api.example.com", "client_id": "shop", "jti": rand.Text(),
		"scope": scope, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		panic(err)
	}
	return raw
}
