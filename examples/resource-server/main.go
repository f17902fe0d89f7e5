// Command resource-server is an API that takes the access tokens of one issuer.
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

func main() {
	// Fetches the issuer's keys now, and keeps them fresh: a wrong issuer shows here.
	v, err := rs.New(context.Background(), rs.Config{
		Issuer:   os.Getenv("ISSUER"),
		Audience: "https://api.example.com", // this API: a token for another one is refused
	})
	if err != nil {
		log.Fatal(err)
	}

	r := chi.NewRouter()
	r.With(v.Required(rs.Scopes("orders:read"))).Get("/orders", listOrders)
	r.With(v.Required(rs.Scopes("orders:write"))).Post("/orders", listOrders)

	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	server := http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context()) // there is one behind Required
	fmt.Fprintf(w, "orders of %s\n", token.Subject)
}
