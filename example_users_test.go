package authd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/bcrypt"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

// people is the user store of a host: a table of its own.
type people struct{ pool *pgxpool.Pool }

var _ authd.Authenticator = people{}

// nobody is checked for names that nobody has, so that they take as long as the others.
var nobody = hash("not anybody's password")

// Authenticate says who has this name and this password.
func (p people) Authenticate(ctx context.Context, username, password string) (authd.Subject, error) {
	var id, stored string
	err := p.pool.QueryRow(ctx, `select id, password from people where name = $1`, username).Scan(&id, &stored)
	if errors.Is(err, pgx.ErrNoRows) {
		stored, err = nobody, nil
	}
	if err != nil {
		return authd.Subject{}, err // an outage, no refusal
	}
	if bcrypt.CompareHashAndPassword([]byte(stored), []byte(password)) != nil || id == "" {
		return authd.Subject{}, authd.ErrInvalidCredentials
	}
	return authd.Subject{ID: id}, nil
}

// hash is quick, for the example's sake: choose bcrypt.DefaultCost, or argon2id.
func hash(password string) string {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		log.Fatal(err)
	}
	return string(h)
}

// add is how somebody becomes one of them.
func (p people) add(ctx context.Context, id, name, password string) {
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`create table if not exists people (id text primary key, name text unique, password text)`, nil},
		{`insert into people values ($1, $2, $3)`, []any{id, name, hash(password)}},
	} {
		if _, err := p.pool.Exec(ctx, q.sql, q.args...); err != nil {
			log.Fatal(err)
		}
	}
}

// People sign in with the passwords that the host keeps.
func ExampleAuthenticator() {
	ctx := context.Background()
	pool, kek, drop := exampleDatabase(ctx)
	defer drop()
	users := people{pool}
	users.add(ctx, "person-7", "ada", "correct horse battery staple")

	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek},
		Authenticator: users,
		Accounts:      true, // POST /account/login and /account/logout
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as := httptest.NewServer(srv.Handler())
	defer as.Close()
	_, _, err = srv.CreateClient(ctx, authd.Client{
		ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, FirstParty: true,
		Audiences: []string{"https://api.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(login(as, "app", "ada", "guess").Error)
	answer := login(as, "app", "ada", "correct horse battery staple")
	v, err := rs.New(ctx, rs.Config{Issuer: "https://auth.example.com", Audience: "https://api.example.com", Keys: srv})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	who, err := v.Verify(ctx, answer.AccessToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(who.Subject, "fresh:", who.Fresh, "refresh token:", answer.RefreshToken != "")
	// Output:
	// invalid_credentials
	// person-7 fresh: true refresh token: true
}
