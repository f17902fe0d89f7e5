package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"time"

	"github.com/go-authd/authd"
)

// account is a client and its secret.
type account struct{ id, secret string }

const (
	shop     = "shop"
	audience = "https://api.example"
)

// world is a migrated database with keys and clients.
type world struct {
	db        *database
	shop, api account
	config    childConfig
	key       *rsa.PrivateKey // of the limits
	signer    crypto.Signer   // has key
}

func setUp(ctx context.Context, d *database) (*world, error) {
	w := &world{db: d}
	kek, err := authd.NewSecret(rand.Reader)
	if err != nil {
		return nil, err
	}
	w.config = childConfig{DatabaseURL: d.url, KEK: kek}
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if w.signer, err = newSigner(w.key); err != nil {
		return nil, err
	}
	if _, err := authd.Migrate(ctx, d.pool); err != nil {
		return nil, err
	}
	secret, err := authd.ParseSecret(kek)
	if err != nil {
		return nil, err
	}
	srv, err := authd.New(ctx, authd.Config{Issuer: issuer, DB: d.pool, KeyEncryptionKeys: []authd.KeyEncryptor{secret}, Logger: quiet()})
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	return w, w.register(ctx, srv.Admin)
}

func (w *world) register(ctx context.Context, admin *authd.Admin) error {
	for c, into := range map[*authd.Client]*account{
		{
			ID: shop, GrantTypes: []string{"client_credentials", "refresh_token"}, Scopes: []string{"orders:read", "orders:write"},
			Audiences: []string{audience}, FirstParty: true, AccessTTL: time.Hour,
		}: &w.shop,
		{ID: "api", ResourceServer: true, Audiences: []string{audience}}: &w.api,
	} {
		made, secret, err := admin.CreateClient(ctx, *c)
		if err != nil {
			return err
		}
		*into = account{made.ID, secret}
	}
	return nil
}

// childArgs also hands the secrets over, by the environment.
func (w *world) childArgs(o options) ([]string, error) {
	w.config.Pool, w.config.Log = o.pool, o.log
	return []string{"-what", "authd", "-profile", o.profile}, w.config.export()
}

// timeToReady is the median of some starts, from the start of the process until it listens.
func timeToReady(ctx context.Context, w *world) (time.Duration, error) {
	args, err := w.childArgs(options{})
	if err != nil {
		return 0, err
	}
	took := make([]time.Duration, 5)
	for i := range took {
		start := time.Now()
		c, err := startChild(ctx, args...)
		if err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
		if err := c.stop(); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
