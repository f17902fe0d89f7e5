package authd_test

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/keys/keystest"
)

// exampleDatabase is what a host has anyway: a pool and a key-encryption key. The scenes
// that are about something else begin with it.
func exampleDatabase(ctx context.Context) (pool *pgxpool.Pool, kek authd.Secret, drop func()) {
	pool, drop = openExample(ctx, keystest.Example)
	kek, err := authd.ParseSecret(keystest.KEK)
	if err != nil {
		log.Fatal(err)
	}
	return pool, kek, drop
}

// emptyExampleDatabase has the schema, and no signing keys yet.
func emptyExampleDatabase(ctx context.Context) (pool *pgxpool.Pool, drop func()) {
	return openExample(ctx, func() (string, func() error, error) {
		return dbtest.PreparedExample("empty", func(context.Context, *pgxpool.Pool) error { return nil })
	})
}

func openExample(ctx context.Context, make func() (string, func() error, error)) (pool *pgxpool.Pool, drop func()) {
	address, dropDatabase, err := make()
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		log.Fatal(err)
	}
	if err := authd.PoolConfig(cfg); err != nil {
		log.Fatal(err)
	}
	if pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		log.Fatal(err)
	}
	return pool, func() {
		pool.Close()
		if err := dropDatabase(); err != nil {
			log.Fatal(err)
		}
	}
}

// reply is an answer of the token endpoint or of an account call.
type reply struct {
	Status       int    `json:"-"`
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
}

// requestToken asks the token endpoint: by Basic, or as a public client where secret is "".
func requestToken(as *httptest.Server, id, secret string, form url.Values) reply {
	if secret == "" {
		form.Set("client_id", id)
	}
	req := newPost(as, "/oauth2/token", "application/x-www-form-urlencoded", form.Encode())
	if secret != "" {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	}
	return send(as, req)
}

// login is the account call of a public first-party client.
func login(as *httptest.Server, client, username, password string) reply {
	body, err := json.Marshal(map[string]string{"client_id": client, "username": username, "password": password})
	if err != nil {
		log.Fatal(err)
	}
	return send(as, newPost(as, "/account/login", "application/json", string(body)))
}

func newPost(as *httptest.Server, path, contentType, body string) *http.Request {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, as.URL+path, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	return req
}

func send(as *httptest.Server, req *http.Request) (r reply) {
	res, err := as.Client().Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		log.Fatal(err)
	}
	r.Status = res.StatusCode
	return r
}
