// Command call calls the health service's Check or Watch with a token, "" for none, and prints the status code.
//
//	call ADDRESS Check|Watch TOKEN
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials())) // TLS, anywhere but here
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if token := os.Args[3]; token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	err = call(ctx, healthpb.NewHealthClient(conn), os.Args[2])
	fmt.Println(status.Code(err), status.Convert(err).Message())
}

func call(ctx context.Context, client healthpb.HealthClient, method string) error {
	if method == "Check" {
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}
