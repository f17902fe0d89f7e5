package authd_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"sync"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

// hsm keeps private keys by label, and gives out only what signs with them.
//
// With PKCS #11 through crypto11, CreateKey is GenerateRSAKeyPairWithLabel, OpenKey is
// FindKeyPair, whose result is a crypto.Signer, and DestroyKey is its Delete. With AWS KMS
// they are CreateKey (SIGN_VERIFY; the name is the ARN), GetPublicKey and ScheduleKeyDeletion,
// and the crypto.Signer calls Sign with a DIGEST and RSASSA_PKCS1_V1_5_SHA_256.
type hsm struct {
	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey
}

func (h *hsm) CreateKey(_ context.Context, bits int) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", err
	}
	label := "authd-" + rand.Text() // never used twice
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys[label] = key
	return label, nil
}

func (h *hsm) OpenKey(_ context.Context, label string) (crypto.Signer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key, ok := h.keys[label]
	if !ok {
		return nil, errors.New("no key " + label)
	}
	return key, nil
}

func (h *hsm) DestroyKey(_ context.Context, label string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.keys, label) // one that is gone is a success
	return nil
}

// The signing keys are made in an HSM and never leave it; the database has their names and
// their public halves. There is nothing to seal, so that no key-encryption key is needed.
func ExampleSigner() {
	ctx := context.Background()
	pool, drop := emptyExampleDatabase(ctx)
	defer drop()
	slot := &hsm{keys: make(map[string]*rsa.PrivateKey)}
	srv, err := authd.New(ctx, authd.Config{Issuer: "https://auth.example.com", DB: pool, Signer: slot})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	fmt.Println("keys in the HSM:", len(slot.keys))
	as := httptest.NewServer(srv.Handler())
	defer as.Close()
	_, secret, err := srv.CreateClient(ctx, authd.Client{ID: "shop"})
	if err != nil {
		log.Fatal(err)
	}

	before := requestToken(as, "shop", secret, url.Values{"grant_type": {"client_credentials"}})
	rotation, err := srv.RotateKeys(ctx, false) // or by itself, every KeyPeriod
	if err != nil {
		log.Fatal(err)
	}
	after := requestToken(as, "shop", secret, url.Values{"grant_type": {"client_credentials"}})

	v, err := rs.New(ctx, rs.Config{Issuer: "https://auth.example.com", Audience: "https://auth.example.com", Keys: srv})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	for _, token := range []string{before.AccessToken, after.AccessToken} {
		t, err := v.Verify(ctx, token)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("valid token of", t.Subject+", by the announced key:", t.Kid == rotation.Access.Signing)
	}
	// Output:
	// keys in the HSM: 4
	// valid token of shop, by the announced key: false
	// valid token of shop, by the announced key: true
}
