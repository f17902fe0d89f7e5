package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

type customer struct{ Name string }

// Whoever the token speaks for is loaded once per request, and is a *customer in the handlers.
func ExampleSubjectAs() {
	issuer := authdtest.Start()
	defer issuer.Close()
	customers := map[string]*customer{"usr_1": {Name: "Ann"}}
	v := verifierOf(issuer, func(cfg *rs.Config) {
		cfg.SubjectLoader = func(_ context.Context, t *rs.Token) (any, error) {
			c, ok := customers[t.Subject]
			if !ok {
				return nil, rs.ErrNoSubject
			}
			return c, nil
		}
	})
	defer v.Close()
	api := v.Required()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := rs.SubjectAs[*customer](r.Context())
		fmt.Fprint(w, "hello ", c.Name)
	}))

	show(api, issuer.Token(authdtest.Subject("usr_1")))
	show(api, issuer.Token(authdtest.Subject("usr_2"))) // removed since
	// Output:
	// 200 hello Ann
	// 401 Bearer error="invalid_token", error_description="token invalid"
}

// A resource server with the customers of one issuer and the staff of another.
func ExampleAny() {
	public, staff := authdtest.Start(), authdtest.Start()
	defer public.Close()
	defer staff.Close()
	v, err := rs.Any(verifierOf(public), verifierOf(staff))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close() // both
	api := v.Required()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := rs.FromContext(r.Context())
		fmt.Fprintf(w, "%s, staff: %t", t.Subject, t.Issuer == staff.URL)
	}))

	show(api, public.Token(authdtest.Subject("usr_1")))
	show(api, staff.Token(authdtest.Subject("emp_1")))
	show(api, public.Token(authdtest.Claim("iss", "https://evil.example")))
	// Output:
	// 200 usr_1, staff: false
	// 200 emp_1, staff: true
	// 401 Bearer error="invalid_token", error_description="token invalid"
}

// A client that knows nothing but the resource's URL finds out where tokens come from.
func ExampleVerifier_MetadataHandler() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer, func(cfg *rs.Config) {
		cfg.Metadata = &rs.ResourceMetadata{Scopes: []string{"orders:read"}, Name: "Orders"}
	})
	defer v.Close()
	mux := http.NewServeMux()
	mux.Handle(v.MetadataHandler())
	mux.Handle("/", v.Required()(done))

	show(mux, "")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output:
	// 401 Bearer realm="https://api.example.com", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"
	// 200 application/json
}

// The header of a token that somebody complains about. Nothing is verified.
func ExamplePeekHeader() {
	issuer := authdtest.Start()
	defer issuer.Close()

	h, err := rs.PeekHeader(issuer.Token(authdtest.IDToken()))

	fmt.Println(h.Alg, h.Typ, h.Kid == issuer.Kid(), err)
	// Output: RS256 JWT true <nil>
}

// The token alone, for a program that hands it on.
func ExampleBearerToken() {
	r := httptest.NewRequest("GET", "/", nil)
	_, err := rs.BearerToken(r)
	fmt.Println(err)
	r.Header.Set("Authorization", "Bearer eyJhbGciOi…")
	token, err := rs.BearerToken(r)
	fmt.Println(token, err)
	// Output:
	// rs: no bearer token
	// eyJhbGciOi… <nil>
}

// A route that must work while nobody knows what was revoked.
func ExampleOffline() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer, func(cfg *rs.Config) { cfg.Revocation = unknowing{} })
	defer v.Close()
	show(v.Required()(done), issuer.Token())
	show(v.Required(rs.Offline())(done), issuer.Token())
	// Output:
	// 503
	// 200 done
}

// unknowing is a Checker during an outage.
type unknowing struct{}

func (unknowing) Revoked(context.Context, *rs.Token) (bool, error) {
	return false, errors.New("no connection")
}
