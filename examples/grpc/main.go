// Command grpc is a gRPC service behind tokens of authd: the health service that comes with gRPC, so that nothing has
// to be generated. Tokens are verified offline; the feed tells which were revoked.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/go-authd/authd/rs"
)

func main() {
	feed, err := rs.NewFeed(context.Background(), rs.FeedConfig{
		Issuer: os.Getenv("ISSUER"), ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"),
		MaxStaleness: time.Minute, OnStale: rs.Refuse,
	})
	if err != nil {
		log.Fatal(err)
	}
	v, err := rs.New(context.Background(), rs.Config{
		Issuer: os.Getenv("ISSUER"), Audience: "https://api.example.com", Revocation: feed,
	})
	if err != nil {
		log.Fatal(err)
	}

	guard := &Guard{Verifier: v, Methods: map[string][]rs.Requirement{
		healthpb.Health_Check_FullMethodName: {rs.Scopes("orders:read")},
		healthpb.Health_Watch_FullMethodName: {rs.Scopes("orders:write")},
	}}
	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
	healthpb.RegisterHealthServer(server, health.NewServer())

	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	log.Fatal(server.Serve(listener))
}
