package authd_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

// kms keeps keys by their id, and gives none away.
type kms map[string]cipher.AEAD

func (k kms) createKey(id string) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	block, err := aes.NewCipher(secret)
	if err != nil {
		log.Fatal(err)
	}
	if k[id], err = cipher.NewGCM(block); err != nil {
		log.Fatal(err)
	}
}

func (k kms) encrypt(id string, plaintext, bound []byte) ([]byte, error) {
	aead, ok := k[id]
	if !ok {
		return nil, errors.New("no key " + id)
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, plaintext, bound), nil
}

func (k kms) decrypt(id string, ciphertext, bound []byte) ([]byte, error) {
	aead, ok := k[id]
	if !ok || len(ciphertext) < aead.NonceSize() {
		return nil, errors.New("cannot decrypt with " + id)
	}
	return aead.Open(nil, ciphertext[:aead.NonceSize()], ciphertext[aead.NonceSize():], bound)
}

// kmsKey is the adapter: one key of the KMS. With AWS KMS, id is the key's ARN (an alias may
// name another key one day), Encrypt and Decrypt are the calls of these names with ctx, and
// aad is a value of EncryptionContext, in base64. With Vault it is transit's associated_data.
type kmsKey struct {
	kms kms
	id  string
}

func (k kmsKey) ID() string { return k.id }

func (k kmsKey) Encrypt(_ context.Context, plaintext, aad []byte) ([]byte, error) {
	return k.kms.encrypt(k.id, plaintext, aad)
}

func (k kmsKey) Decrypt(_ context.Context, ciphertext, aad []byte) ([]byte, error) {
	return k.kms.decrypt(k.id, ciphertext, aad)
}

// A server whose private signing keys are sealed under a Secret moves to a key that a KMS
// keeps. Nothing is down meanwhile, and tokens stay valid.
func ExampleKeyEncryptor() {
	ctx := context.Background()
	pool, secret, drop := exampleDatabase(ctx) // with signing keys under secret
	defer drop()
	vault := kms{}
	vault.createKey("kms/authd-1")
	atKMS := kmsKey{vault, "kms/authd-1"}

	// First, all servers get both: what is new is sealed under the first.
	srv, err := authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{atKMS, secret},
	})
	if err != nil {
		log.Fatal(err)
	}
	as := httptest.NewServer(srv.Handler())
	_, password, err := srv.CreateClient(ctx, authd.Client{ID: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	before := requestToken(as, "shop", password, url.Values{"grant_type": {"client_credentials"}})

	// Then what is old is sealed anew.
	rewrapped, err := srv.RewrapKeys(ctx)
	if err != nil {
		log.Fatal(err) // call it again: what is done is done
	}
	fmt.Println(len(rewrapped.KeyIDs), "keys are under", rewrapped.KeyEncryptionKey)
	as.Close()
	_ = srv.Close()

	// Last, the secret can go.
	srv, err = authd.New(ctx, authd.Config{
		Issuer: "https://auth.example.com", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{atKMS},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	as = httptest.NewServer(srv.Handler())
	defer as.Close()
	if _, err := srv.RotateKeys(ctx, false); err != nil {
		log.Fatal(err)
	}
	after := requestToken(as, "shop", password, url.Values{"grant_type": {"client_credentials"}})

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
		fmt.Println("valid token of", t.Subject)
	}
	// Output:
	// 4 keys are under kms/authd-1
	// valid token of shop
	// valid token of shop
}
