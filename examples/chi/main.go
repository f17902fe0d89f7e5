// Command chi is an API with the router chi behind package rs. Tokens are verified offline; the feed tells which were
// revoked.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/go-authd/authd/rs"
)

const audience = "https://api.example.com" // this API: a token for another one is refused

func main() {
	v, err := verifier(context.Background(), os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	server := http.Server{Handler: routes(v), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}

// verifier asks the issuer for its keys and its revocations now: what is set wrong shows here.
func verifier(ctx context.Context, issuer string) (*rs.Verifier, error) {
	feed, err := rs.NewFeed(ctx, rs.FeedConfig{
		Issuer: issuer, ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"),
		MaxStaleness: time.Minute, OnStale: rs.Refuse,
	})
	if err != nil {
		return nil, err
	}
	return rs.New(ctx, rs.Config{Issuer: issuer, Audience: audience, Revocation: feed})
}

func routes(v *rs.Verifier) http.Handler {
	r := chi.NewRouter()
	r.With(v.Optional()).Get("/hello", hello)
	r.Group(func(r chi.Router) {
		r.Use(v.Required())
		r.Get("/me", me)
	})
	r.With(v.Required(rs.Scopes("orders:read"))).Get("/orders", say("orders of"))
	r.With(v.Required(rs.Scopes("orders:write"))).Post("/orders", say("an order of"))
	r.With(v.Required(rs.Fresh())).Delete("/me", say("goodbye,"))
	return r
}

func hello(w http.ResponseWriter, r *http.Request) {
	name := "nobody"
	if token, ok := rs.FromContext(r.Context()); ok {
		name = token.Subject
	}
	fmt.Fprintf(w, "hello, %s\n", name)
}

func me(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context()) // there is one behind Required
	fmt.Fprintf(w, "%s may %s\n", token.Subject, token.Scopes)
}

func say(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := rs.FromContext(r.Context())
		fmt.Fprintln(w, what, token.Subject)
	}
}
