// Command webapp is a web application whose people sign in at authd: OpenID Connect's code flow with a client secret. The
// browser holds a session cookie; tokens stay here.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type app struct {
	ctx      context.Context // with the HTTP client that go-oidc and oauth2 use
	http     *http.Client
	oauth    oauth2.Config
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	endpoint endpoints
	home     string // the origin of this application
	api      string
	sessions sessions
}

// endpoints is what go-oidc does not tell of the metadata.
type endpoints struct {
	Issuer     string `json:"issuer"`
	EndSession string `json:"end_session_endpoint"`
	Revocation string `json:"revocation_endpoint"`
}

func main() {
	a, err := newApp()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	server := http.Server{Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}

func newApp() (*app, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	ctx := oidc.ClientContext(context.Background(), client)
	provider, err := oidc.NewProvider(ctx, os.Getenv("ISSUER")) // a wrong issuer shows here
	if err != nil {
		return nil, err
	}
	a := &app{
		ctx: ctx, http: client, provider: provider,
		home: os.Getenv("ORIGIN"), api: os.Getenv("API"),
		sessions: sessions{all: make(map[string]*session)},
	}
	if err := provider.Claims(&a.endpoint); err != nil {
		return nil, err
	}
	a.oauth = oauth2.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"),
		Endpoint: provider.Endpoint(), RedirectURL: a.home + "/callback",
		// offline_access is for the refresh token.
		Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess, "orders:read"},
	}
	a.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // else oauth2 tries one way after the other
	a.verifier = provider.Verifier(&oidc.Config{ClientID: a.oauth.ClientID})
	return a, nil
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.welcome)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("GET /profile", a.signedIn(a.profile))
	mux.HandleFunc("GET /orders", a.signedIn(a.orders))
	mux.HandleFunc("POST /sign-out", a.signOut)
	// Forms of other sites are refused; the cookie is SameSite=Lax besides.
	return a.headers(http.NewCrossOriginProtection().Handler(mux))
}

// headers: the browser follows the sign-out to authd only where form-action names it, since that holds for redirects, too.
func (a *app) headers(next http.Handler) http.Handler {
	policy := "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' " + origin(a.endpoint.EndSession)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "no-referrer") // the callback's address has a code in it
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func origin(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
