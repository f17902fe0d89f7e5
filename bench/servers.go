package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
)

const issuer = "https://as.example"

// everyone believes every password: what a password hash costs is chosen, not measured.
type everyone struct{}

func (everyone) Authenticate(_ context.Context, username, _ string) (authd.Subject, error) {
	return authd.Subject{ID: username}, nil
}

// newAuthd is the server as the daemon runs it, but for the log, whose cost is the host's
// choice: none, or a line of text for each request in a file.
func newAuthd(ctx context.Context, cfg childConfig) (*http.Server, func(), error) {
	log, closeLog, err := openLog(cfg.Log)
	if err != nil {
		return nil, nil, err
	}
	pool, err := openPool(ctx, cfg.DatabaseURL, cfg.Pool)
	if err != nil {
		return nil, nil, err
	}
	kek, err := authd.ParseSecret(cfg.KEK)
	if err != nil {
		return nil, nil, err
	}
	srv, err := authd.New(ctx, authd.Config{
		Issuer: issuer, DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek}, Authenticator: everyone{}, Accounts: true,
		Logger: log,
	})
	if err != nil {
		return nil, nil, err
	}
	return authd.HTTPServer(srv.Handler()), func() { srv.Close(); pool.Close(); closeLog() }, nil
}

func openLog(name string) (*slog.Logger, func(), error) {
	if name == "" {
		return quiet(), func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { f.Close() }, nil
}

// openPool makes size connections at most; 0 is pgx's default.
func openPool(ctx context.Context, url string, size int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		cfg.MaxConns = int32(size)
	}
	if err := authd.PoolConfig(cfg); err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

// jwksSize is about that of a JWKS with two keys, what [bareHandler] replies.
const jwksSize = 900

// bareHandler does nothing but what an operation cannot do without: reply, or sign.
func bareHandler() (http.Handler, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(key)
	if err != nil {
		return nil, err
	}
	mux := chi.NewRouter()
	body := []byte(strings.Repeat("x", jwksSize))
	mux.Get("/fixed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	for n := 1; n <= 2; n++ {
		mux.Post("/sign/"+strconv.Itoa(n), func(w http.ResponseWriter, _ *http.Request) {
			for range n {
				sig, err := signature(signer)
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				_, _ = w.Write(sig)
			}
		})
	}
	return mux, nil
}

// claims are as long as those of an access token.
var claims = []byte(strings.Repeat("x", 400))

func signature(by crypto.Signer) ([]byte, error) {
	sum := sha256.Sum256(claims)
	sig, err := by.Sign(nil, sum[:], crypto.SHA256)
	return base64.RawURLEncoding.AppendEncode(nil, sig), err
}
