package main

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-authd/authd/rs"
)

// freshKeys is a key source for rs that keeps a set for a second and looks an unknown kid up
// at once.
type freshKeys struct {
	address string

	mu      sync.Mutex
	held    rs.KeySource
	fetched time.Time
}

// PublicKey implements [rs.KeySource].
func (k *freshKeys) PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held != nil && time.Since(k.fetched) < time.Second {
		if key, err := k.held.PublicKey(ctx, kid); key != nil || err != nil {
			return key, err
		}
	}
	if err := k.fetch(ctx); err != nil {
		return nil, err
	}
	return k.held.PublicKey(ctx, kid)
}

func (k *freshKeys) fetch(ctx context.Context) error {
	doc, err := get(ctx, k.address)
	if err != nil {
		return err
	}
	set, err := rs.StaticKeys(doc)
	if err != nil {
		return err
	}
	k.held, k.fetched = set, time.Now()
	return nil
}

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
