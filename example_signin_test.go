package authd_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
)

// mountSignIn adds an authorization server to a program that signs people in itself, at its
// own page /hello. check is how the program knows them.
func mountSignIn(ctx context.Context, issuer string, pool *pgxpool.Pool, kek authd.Secret, check func(*http.Request) (id string, ok bool)) (http.Handler, *authd.Server, error) {
	srv, err := authd.New(ctx, authd.Config{
		Issuer: issuer, DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek}, SignInPages: true,
		SignIn: func(w http.ResponseWriter, r *http.Request, s authd.SignInRequest) {
			http.Redirect(w, r, "/hello?continue="+url.QueryEscape(s.Continue), http.StatusSeeOther)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", srv.Handler())
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<form method="post"><input name="name"><input name="pin" type="password"><button>Hello</button></form>`)
	})
	mux.HandleFunc("POST /hello", func(w http.ResponseWriter, r *http.Request) {
		id, ok := check(r)
		if !ok {
			http.Error(w, "Go back and try again.", http.StatusForbidden)
			return
		}
		srv.CompleteSignIn(w, r, r.URL.Query().Get("continue"), authd.Subject{ID: id, AMR: []string{"pin"}})
	})
	return mux, srv, nil
}

// A host with a login page of its own: an application sends the person there and gets its
// code, and the host sees nothing of the protocol.
func ExampleServer_CompleteSignIn() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	as := httptest.NewUnstartedServer(nil)
	handler, srv, err := mountSignIn(ctx, "http://"+as.Listener.Addr().String(), pool, kek, func(r *http.Request) (string, bool) {
		return "person-1", r.PostFormValue("name") == "grace" && r.PostFormValue("pin") == "1906"
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as.Config.Handler = handler
	as.Start()
	defer as.Close()
	if _, _, err := srv.CreateClient(ctx, authd.Client{ID: "app", AuthMethod: "none", FirstParty: true, RedirectURIs: []string{"https://app.example.com/cb"}}); err != nil {
		log.Fatal(err)
	}

	// Grace's browser, which the application sends to authd.
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "app.example.com" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(as.URL + "/oauth2/authorize?response_type=code&client_id=app&redirect_uri=https://app.example.com/cb&state=xyz" +
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256")
	if err != nil {
		log.Fatal(err)
	}
	html, err := io.ReadAll(page.Body)
	if err != nil {
		log.Fatal(err)
	}
	_ = page.Body.Close()
	fmt.Println(page.Request.URL.Path, "asks for a pin:", strings.Contains(string(html), `name="pin"`))

	back, err := browser.PostForm(page.Request.URL.String(), url.Values{"name": {"grace"}, "pin": {"1906"}})
	if err != nil {
		log.Fatal(err)
	}
	_ = back.Body.Close()
	to, err := back.Location()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(to.Host, "state", to.Query().Get("state"), "code:", len(to.Query().Get("code")), "characters")
	// Output:
	// /hello asks for a pin: true
	// app.example.com state xyz code: 43 characters
}
