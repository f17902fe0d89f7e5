package rs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-authd/authd/authdtest"
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

// exampleIssuer stands for a running authd, at which the API is registered as a resource server.
type exampleIssuer struct{ *authdtest.Issuer }

func startIssuer() exampleIssuer {
	return exampleIssuer{authdtest.Start(authdtest.ResourceServer("orders", "authd_cs_…", authdtest.DefaultAudience))}
}

// token is one of usr_1.
func (i exampleIssuer) token(scope string) string {
	return i.Token(authdtest.Subject("usr_1"), authdtest.Scope(strings.Fields(scope)...))
}
