package hooktest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

// KMS encrypts data keys with AES-256-GCM. The operations of its faults are "encrypt" and
// "decrypt", and their name is the additional data.
type KMS struct {
	faults
	id   string
	aead cipher.AEAD
	lie  Lie
}

// Lie changes what an operation returns for additional data aad.
type Lie func(op, aad string, out []byte) []byte

// NewKMS makes one with a key of this id.
func NewKMS(id string) *KMS {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &KMS{id: id, aead: aead}
}

// Lie changes all answers from now on; nil tells the truth again.
func (k *KMS) Lie(lie Lie) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lie = lie
}

// ID is the id of the key.
func (k *KMS) ID() string { return k.id }

// Encrypt binds the result to aad.
func (k *KMS) Encrypt(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	if err := k.begin(ctx, "encrypt", string(aad)); err != nil {
		return nil, err
	}
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return k.told("encrypt", aad, k.aead.Seal(nonce, nonce, plaintext, aad)), nil
}

// Decrypt opens what Encrypt made with the same aad.
func (k *KMS) Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error) {
	if err := k.begin(ctx, "decrypt", string(aad)); err != nil {
		return nil, err
	}
	n := min(k.aead.NonceSize(), len(ciphertext))
	nonce := append(make([]byte, k.aead.NonceSize()-n), ciphertext[:n]...)
	plaintext, err := k.aead.Open(nil, nonce, ciphertext[n:], aad)
	if err != nil {
		return nil, err
	}
	return k.told("decrypt", aad, plaintext), nil
}

func (k *KMS) told(op string, aad, out []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lie == nil {
		return out
	}
	return k.lie(op, string(aad), out)
}
