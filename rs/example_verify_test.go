package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-authd/authd/rs"
)

// A route for everybody that knows who is signed in. A token that is there but bad is
// refused all the same.
func ExampleVerifier_Optional() {
	issuer := startIssuer()
	defer issuer.Close()
	v, err := rs.New(context.Background(), rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	welcome := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t, ok := rs.FromContext(r.Context()); ok {
			fmt.Fprintf(w, "welcome back, %s", t.Subject)
			return
		}
		fmt.Fprint(w, "welcome")
	})
	api := httptest.NewServer(v.Optional()(welcome))
	defer api.Close()

	call(api.URL, "")
	call(api.URL, issuer.token("profile"))
	call(api.URL, "x")
	// Output:
	// 200 welcome
	// 200 welcome back, usr_1
	// 401 Bearer error="invalid_token", error_description="token invalid"
}

// Outside HTTP: a token out of a message, say. The error tells why, for the log.
func ExampleVerifier_Verify() {
	issuer := startIssuer()
	defer issuer.Close()
	ctx := context.Background()
	v, err := rs.New(ctx, rs.Config{Issuer: issuer.URL, Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	t, err := v.Verify(ctx, issuer.token("orders:read"), rs.Scopes("orders:read"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Subject, t.Scopes)
	_, err = v.Verify(ctx, issuer.token("orders:read"), rs.Scopes("orders:write"))
	fmt.Println(errors.Is(err, rs.ErrInsufficientScope))
	// Output:
	// usr_1 [orders:read]
	// true
}
