package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// A middleware of the host's own: it logs who came, and why somebody was refused.
func ExampleVerifier_VerifyRequest() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	audited := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, err := v.VerifyRequest(r, rs.Scopes("orders:read"))
			if refusal, ok := errors.AsType[*rs.Error](err); ok {
				fmt.Println("refused:", refusal)
				refusal.Respond(w)
				return
			}
			fmt.Println("admitted:", t.Subject, t.ClientID)
			next.ServeHTTP(w, r.WithContext(rs.NewContext(r.Context(), t)))
		})
	}
	api := audited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := rs.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s", t.Subject)
	}))

	show(api, issuer.Token(authdtest.Subject("usr_1"), authdtest.Client("shop"), authdtest.Scope("orders:read")))
	show(api, issuer.Token(authdtest.Scope("profile")))
	// Output:
	// admitted: usr_1 shop
	// 200 orders of usr_1
	// refused: rs: insufficient scope: needs ["orders:read"]
	// 403 Bearer error="insufficient_scope", scope="orders:read"
}

// verifierOf is an rs.New with the issuer of a test.
func verifierOf(issuer *authdtest.Issuer, change ...func(*rs.Config)) *rs.Verifier {
	cfg := rs.Config{Issuer: issuer.URL, Audience: issuer.Audience}
	for _, c := range change {
		c(&cfg)
	}
	v, err := rs.New(context.Background(), cfg)
	if err != nil {
		panic(err)
	}
	return v
}

// show asks with a token, or without one.
func show(h http.Handler, token string) {
	r := httptest.NewRequest("POST", "https://api.example.com/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
		return
	}
	fmt.Println(w.Code, w.Body)
}

var done = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })

// What can be undone needs a scope; what cannot, a sign-in of the last five minutes, too.
func ExampleMaxAge() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	api := v.Required(rs.Scopes("account"), rs.MaxAge(5*time.Minute))(done)

	account := authdtest.Scope("account")
	show(api, issuer.Token(account, authdtest.AuthTime(issuer.Now().Add(-time.Minute))))
	show(api, issuer.Token(account, authdtest.AuthTime(issuer.Now().Add(-time.Hour))))
	// Output:
	// 200 done
	// 401 Bearer error="insufficient_user_authentication", max_age="300"
}

// The token must come straight from a sign-in.
func ExampleFresh() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	api := v.Required(rs.Fresh())(done)

	show(api, issuer.Token(authdtest.Fresh()))
	show(api, issuer.Token())
	// Output:
	// 200 done
	// 401 Bearer error="insufficient_user_authentication", max_age="0"
}

// The sign-in must have been of a certain class.
func ExampleACR() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	api := v.Required(rs.ACR("phrh", "phr"))(done)

	show(api, issuer.Token(authdtest.Claim("acr", "phr")))
	show(api, issuer.Token(authdtest.Claim("acr", "pwd")))
	// Output:
	// 200 done
	// 401 Bearer error="insufficient_user_authentication", acr_values="phrh phr"
}

func ExampleAnyScope() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	api := v.Required(rs.AnyScope("orders:read", "orders:admin"))(done)

	show(api, issuer.Token(authdtest.Scope("orders:admin")))
	show(api, issuer.Token(authdtest.Scope("profile")))
	// Output:
	// 200 done
	// 403 Bearer error="insufficient_scope", scope="orders:read"
}

// A rule of the application's own. An outage of what it asks is no verdict.
func ExampleCheck() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	memberOf := func(_ context.Context, t *rs.Token) (bool, error) {
		if t.Subject == "usr_3" {
			return false, errors.New("connection refused")
		}
		return t.Subject == "usr_1", nil
	}
	members := rs.Check(func(ctx context.Context, t *rs.Token) error {
		ok, err := memberOf(ctx, t)
		switch {
		case err != nil:
			return fmt.Errorf("%w: members: %w", rs.ErrUnavailable, err)
		case !ok:
			return rs.ErrDenied
		}
		return nil
	})
	api := v.Required(members)(done)

	for _, subject := range []string{"usr_1", "usr_2", "usr_3"} {
		show(api, issuer.Token(authdtest.Subject(subject)))
	}
	// Output:
	// 200 done
	// 403 Bearer realm="https://api.example.com"
	// 503
}

// Claims that the route needs, and how they are read.
func ExampleClaim() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	api := v.Required(rs.Claims("tenant"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := rs.FromContext(r.Context())
		tenant, _ := rs.Claim[string](t, "tenant")
		groups, ok := rs.Claim[[]string](t, "groups")
		fmt.Fprint(w, tenant, groups, ok)
	}))

	show(api, issuer.Token(authdtest.Claim("tenant", "acme"), authdtest.Claim("groups", []string{"staff"})))
	show(api, issuer.Token(authdtest.Claim("tenant", "acme")))
	show(api, issuer.Token())
	// Output:
	// 200 acme[staff] true
	// 200 acme[] false
	// 401 Bearer error="invalid_token", error_description="token invalid"
}

// A session may be ended with a token that is over, too.
func ExampleAllowExpired() {
	issuer := authdtest.Start()
	defer issuer.Close()
	v := verifierOf(issuer)
	defer v.Close()
	logout := v.Required(rs.AllowExpired(24 * time.Hour))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, _ := rs.FromContext(r.Context())
		fmt.Fprintf(w, "session %s ended, expired: %t", t.SessionID, t.Expired)
	}))

	show(logout, issuer.Token(authdtest.Session("f-1"), authdtest.Expired()))
	// Output:
	// 200 session f-1 ended, expired: true
}
