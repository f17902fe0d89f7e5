package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/pglocal"
)

// database is one of its own on a server that is private, unless the caller named one.
type database struct {
	pool  *pgxpool.Pool
	url   string
	admin string
	name  string
	local *pglocal.Server // nil for the caller's
}

// openDatabase keeps commits durable, as production has them.
func openDatabase(ctx context.Context, dir, admin string) (_ *database, err error) {
	d := &database{admin: admin, name: "authd_bench_" + strings.ToLower(rand.Text())}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if admin == "" {
		// As root, PostgreSQL runs as another user, who has to reach the cluster.
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, err
		}
		if d.local, err = pglocal.Start(ctx, pglocal.Config{DataDir: dir + "/data", Logger: quiet()}); err != nil {
			return nil, err
		}
		d.admin = d.local.URL()
	}
	if err := d.administer(ctx, `create database `+d.name); err != nil {
		return nil, err
	}
	u, err := url.Parse(d.admin)
	if err != nil {
		return nil, errors.New("-database-url is no URL") // the parse error would print the password
	}
	u.Path = "/" + d.name
	d.url = u.String()
	d.pool, err = openPool(ctx, d.url, 0)
	return d, err
}

func (d *database) administer(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, d.admin)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	if d.local != nil {
		return d.local.Stop()
	}
	return d.administer(context.Background(), `drop database if exists `+d.name+` with (force)`)
}

// number is the one that a query returns.
func (d *database) number(ctx context.Context, sql string) (n int64, err error) {
	err = d.pool.QueryRow(ctx, sql).Scan(&n)
	return n, err
}
