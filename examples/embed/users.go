package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/bcrypt"

	"github.com/go-authd/authd"
)

// users is what the shop had before authd came: a table with bcrypt hashes.
type users struct {
	pool  *pgxpool.Pool
	dummy []byte // compared for unknown names, so that they take as long
}

func newUsers(ctx context.Context, pool *pgxpool.Pool) (*users, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte("tea for two"), bcrypt.DefaultCost)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, `create table if not exists shop_users (id text primary key, name text unique, hash bytea)`)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, `insert into shop_users values ('customer-7', 'ada', $1) on conflict do nothing`, hash)
	return &users{pool, hash}, err
}

// Authenticate implements [authd.Authenticator].
func (u *users) Authenticate(ctx context.Context, name, password string) (authd.Subject, error) {
	id, hash := "", u.dummy
	err := u.pool.QueryRow(ctx, `select id, hash from shop_users where name = $1`, name).Scan(&id, &hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return authd.Subject{}, fmt.Errorf("reading a user: %w", err) // an outage: answered with 5xx
	}
	wrong := bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil
	if wrong || id == "" {
		return authd.Subject{}, authd.ErrInvalidCredentials
	}
	return authd.Subject{ID: id}, nil
}
