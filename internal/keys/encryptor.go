package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	jose "github.com/go-jose/go-jose/v4"
)

// Encryptor encrypts with a key that never leaves a KMS. What goes to it are data keys of
// 32 bytes, each for one private half (envelope encryption). Its methods are called at the
// same time.
type Encryptor interface {
	// ID names the key, in text that is stored beside what it sealed.
	ID() string
	// Encrypt binds the result to aad.
	Encrypt(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Decrypt fails unless ciphertext is Encrypt's, with the same aad.
	Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error)
}

// RemoteKEK is the key-encryption key that e keeps. Its id is what e calls it now.
func RemoteKEK(e Encryptor) KEK {
	return remoteKEK(e.ID(), e, newHooks(&Config{WithTimeout: context.WithTimeout}))
}

func remoteKEK(id string, e Encryptor, h *hooks) KEK {
	v := &envelope{id, e, h}
	return KEK{id: id, remote: func() *envelope { return v }}
}

// with lets h count and bound the calls to the KMS, if there is one.
func (k KEK) with(h *hooks) KEK {
	if k.remote == nil {
		return k
	}
	return remoteKEK(k.id, k.remote().kms, h)
}

// envelope is a KEK that is kept by a KMS.
type envelope struct {
	id    string
	kms   Encryptor
	hooks *hooks
}

func (v *envelope) doing(what string) string { return "key encryptor " + v.id + ": " + what }

// seal opens what it has sealed before it lets it out: a private half whose data key the
// KMS cannot give back would be lost.
func (v *envelope) seal(ctx context.Context, plaintext []byte, aad string) (string, error) {
	key := make([]byte, kekBytes)
	_, _ = rand.Read(key) // never fails
	encrypted, err := call(ctx, v.hooks, hookCall[[]byte]{
		doing: v.doing("encrypt"),
		run: func(ctx context.Context) ([]byte, error) {
			return v.kms.Encrypt(ctx, bytes.Clone(key), []byte(aad))
		},
	})
	if err != nil {
		return "", err
	}
	if bytes.Contains(encrypted, key) {
		return "", lie(v.doing("encrypt"), errors.New("the data key is in what should hide it"))
	}
	sealed, err := sealUnder(key, v.id, new(jose.EncrypterOptions).WithHeader("encrypted_data_key", encrypted), plaintext, aad)
	if err != nil {
		return "", err
	}
	return sealed, v.checkSeal(ctx, sealed, plaintext, aad)
}

func (v *envelope) checkSeal(ctx context.Context, sealed string, plaintext []byte, aad string) error {
	h, err := readSeal(sealed)
	if err != nil {
		return err
	}
	again, err := v.open(ctx, h.DataKey, sealed, aad)
	if err == nil && !bytes.Equal(again, plaintext) {
		err = lie(v.doing("decrypt"), errDataKey)
	}
	return err
}

var errDataKey = errors.New("the data key is not the one that was encrypted, or the seal is damaged")

// open asks the KMS only for a seal that is in its place. Whether the KMS has given a wrong
// data key or the rest of the seal is damaged cannot be told: it may be tried again.
func (v *envelope) open(ctx context.Context, encrypted []byte, sealed, aad string) ([]byte, error) {
	obj, err := parseSeal(sealed, aad)
	if err != nil {
		return nil, err
	}
	key, err := call(ctx, v.hooks, hookCall[[]byte]{
		doing: v.doing("decrypt"),
		run: func(ctx context.Context) ([]byte, error) {
			return v.kms.Decrypt(ctx, bytes.Clone(encrypted), []byte(aad))
		},
	})
	if err != nil {
		return nil, err
	}
	if len(key) != kekBytes {
		return nil, lie(v.doing("decrypt"), errDataKey)
	}
	plaintext, err := obj.Decrypt(key)
	if err != nil {
		return nil, lie(v.doing("decrypt"), errDataKey)
	}
	return plaintext, nil
}
