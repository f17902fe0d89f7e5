// Command coming-from-flask has the handlers of docs/coming-from-flask.md: what Flask applications do with their JWT
// libraries, done with package rs.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-authd/authd/rs"
)

const audience = "https://api.example.com" // this API: a token for another one is refused

func main() {
	issuer, users := os.Getenv("ISSUER"), newUsers()
	v, err := verifier(context.Background(), issuer, users)
	if err != nil {
		log.Fatal(err)
	}
	csrfKey := make([]byte, 32) // of more than one server from the configuration, for all the same
	_, _ = rand.Read(csrfKey)   // it never fails
	cookies, err := rs.NewCookies(rs.CookieConfig{
		CSRFKeys:    [][]byte{csrfKey},
		RefreshPath: "/session",
		Insecure:    true, // for curl on 127.0.0.1 alone: leave it out
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	s := &session{issuer: issuer, client: "app", verifier: v, cookies: cookies}
	server := http.Server{Handler: routes(v, s, users), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}

// verifier asks the issuer for its keys and its revocations now: what is set wrong shows here, and not at a request.
func verifier(ctx context.Context, issuer string, users *users) (*rs.Verifier, error) {
	feed, err := rs.NewFeed(ctx, rs.FeedConfig{
		Issuer:       issuer,
		ClientID:     os.Getenv("CLIENT_ID"), // api
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		OnStale:      rs.Refuse, // when authd cannot be heard for MaxStaleness: 503
	})
	if err != nil {
		return nil, err
	}
	return rs.New(ctx, rs.Config{
		Issuer:        issuer,
		Audience:      audience,
		Revocation:    feed,
		SubjectLoader: users.load,
		OnError:       message,
	})
}

// routes says of each route what it asks of a token.
func routes(v *rs.Verifier, s *session, users *users) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /recipes", listRecipes) // for anybody
	mux.Handle("POST /recipes", v.Required(rs.Scopes("recipes:write"))(http.HandlerFunc(createRecipe)))
	mux.Handle("GET /protected", v.Required()(http.HandlerFunc(protected)))
	mux.Handle("GET /hello", v.Optional()(http.HandlerFunc(hello)))
	mux.Handle("GET /token", v.Required()(http.HandlerFunc(describe)))
	mux.Handle("GET /admin", v.Required(rs.Check(adminsOnly))(http.HandlerFunc(protected)))
	mux.Handle("POST /password", v.Required(rs.Fresh())(http.HandlerFunc(protected)))
	mux.Handle("POST /payments", v.Required(rs.MaxAge(15*time.Minute))(http.HandlerFunc(protected)))
	mux.Handle("GET /catalogue", v.Required(rs.Offline())(http.HandlerFunc(listRecipes)))
	mux.Handle("GET /profile", v.Required()(http.HandlerFunc(profile)))
	mux.Handle("DELETE /profile", v.Required(rs.Fresh())(http.HandlerFunc(users.close)))
	mux.Handle("/session/", s.routes())
	return mux
}
