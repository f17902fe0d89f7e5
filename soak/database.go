package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
)

// createDatabase makes an empty one beside that of AUTHD_TEST_DATABASE_URL.
func createDatabase(ctx context.Context) (address string, drop func() error, err error) {
	server, err := url.Parse(os.Getenv("AUTHD_TEST_DATABASE_URL"))
	if err != nil || server.Scheme == "" { // the parse error would print the password
		return "", nil, errors.New("AUTHD_TEST_DATABASE_URL is not set, or no URL; scripts/soak sets it")
	}
	name := pgx.Identifier{"authd_soak_" + strings.ToLower(rand.Text())}
	if err := execute(ctx, server.String(), "create database "+name.Sanitize()); err != nil {
		return "", nil, err
	}
	own := *server
	own.Path = "/" + name[0]
	return own.String(), func() error {
		return execute(context.Background(), server.String(), "drop database "+name.Sanitize()+" with (force)")
	}, nil
}

func execute(ctx context.Context, address, statement string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
