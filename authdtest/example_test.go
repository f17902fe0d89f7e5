package authdtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// orders is the application's handler.
func orders(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context())
	fmt.Fprintf(w, "orders of %s", token.Subject)
}

// What a handler does with tokens of several shapes. In a test, authdtest.New(t) is all that opens and closes the issuer.
func Example() {
	iss := authdtest.Start()
	defer iss.Close()
	v, err := rs.New(context.Background(), rs.Config{Issuer: iss.URL, Audience: iss.Audience, Now: iss.Now})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	h := v.Required(rs.Scopes("read"))(http.HandlerFunc(orders))
	status := func(shapes ...authdtest.Shape) int {
		r := httptest.NewRequest(http.MethodGet, "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+iss.Token(shapes...))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}

	fmt.Println("good:", status(authdtest.Subject("usr_1"), authdtest.Scope("read")))
	fmt.Println("without the scope:", status())
	fmt.Println("expired:", status(authdtest.Scope("read"), authdtest.Expired()))
	fmt.Println("for another API:", status(authdtest.Scope("read"), authdtest.WrongAudience()))
	fmt.Println("of another key:", status(authdtest.Scope("read"), authdtest.WrongKey()))
	// Output:
	// good: 200
	// without the scope: 403
	// expired: 401
	// for another API: 401
	// of another key: 401
}

// A sign-out ends a session's tokens, and introspection knows at once.
func ExampleIssuer_RevokeSession() {
	iss := authdtest.Start()
	defer iss.Close()
	ctx := context.Background()
	asking, err := rs.NewIntrospection(ctx, rs.IntrospectionConfig{
		Issuer: iss.URL, ClientID: iss.ClientID, ClientSecret: iss.ClientSecret,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer asking.Close()
	v, err := rs.New(ctx, rs.Config{Issuer: iss.URL, Audience: iss.Audience, Revocation: asking})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	token := iss.Token(authdtest.Session("session-1"))
	_, err = v.Verify(ctx, token)
	fmt.Println("revoked before:", errors.Is(err, rs.ErrRevoked))
	iss.RevokeSession("session-1")
	_, err = v.Verify(ctx, token)
	fmt.Println("revoked after:", errors.Is(err, rs.ErrRevoked))
	// Output:
	// revoked before: false
	// revoked after: true
}

// An outage is survived by the keys in memory; a key that nobody has seen cannot be judged.
func ExampleIssuer_Down() {
	iss := authdtest.Start()
	defer iss.Close()
	ctx := context.Background()
	v, err := rs.New(ctx, rs.Config{Issuer: iss.URL, Audience: iss.Audience, Now: iss.Now, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	verify := func(token string) int {
		_, err := v.Verify(ctx, token)
		if refusal, ok := errors.AsType[*rs.Error](err); ok {
			return refusal.Status
		}
		return http.StatusOK
	}

	old := iss.Token()
	iss.Down()
	iss.RotateKey()
	fmt.Println("known key:", verify(old))
	fmt.Println("new key:", verify(iss.Token()))
	iss.Up()
	iss.Advance(30 * time.Second) // an unknown key is looked for once in 30 s
	fmt.Println("up again:", verify(iss.Token()))
	// Output:
	// known key: 200
	// new key: 503
	// up again: 200
}
