package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// Encryptor encrypts with a key that never leaves a KMS. What goes to it are data keys of
// 32 bytes, each for one private half (envelope encryption).
type Encryptor interface {
	// ID names the key, in text that is stored beside what it sealed.
	ID() string
	// Encrypt binds the result to aad.
	Encrypt(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Decrypt fails unless ciphertext is Encrypt's, with the same aad.
	Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error)
}

// RemoteKEK is the key-encryption key that e keeps.
func RemoteKEK(e Encryptor) KEK { return KEK{id: e.ID(), remote: func() Encryptor { return e }} }

// hookTimeout bounds a call to a KMS or HSM, whether it obeys its context or not.
const hookTimeout = 5 * time.Second

// hookError: the host's KMS or HSM could not be used. It may be tried again.
type hookError struct {
	doing string
	err   error
}

func (e *hookError) Error() string { return e.doing + ": " + e.err.Error() }
func (e *hookError) Unwrap() error { return e.err }

// hooked calls a host's code that may hang whatever its context says; then its goroutine
// is left behind.
func hooked[T any](ctx context.Context, doing string, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		defer cancel()
		v, err := call(ctx)
		done <- outcome{v, err}
	}()
	var out outcome
	select {
	case out = <-done:
	case <-ctx.Done():
		select {
		case out = <-done: // both: the answer counts
		default:
			out.err = context.Cause(ctx)
		}
	}
	if out.err != nil {
		return out.v, &hookError{doing, out.err}
	}
	return out.v, nil
}

// sealRemote opens what it has sealed before it lets it out: a private half whose data key
// the KMS cannot give back would be lost.
func sealRemote(ctx context.Context, e Encryptor, plaintext []byte, aad string) (string, error) {
	key := make([]byte, kekBytes)
	_, _ = rand.Read(key) // never fails
	encrypted, err := hooked(ctx, "key encryptor "+e.ID()+": encrypt", func(ctx context.Context) ([]byte, error) {
		return e.Encrypt(ctx, bytes.Clone(key), []byte(aad))
	})
	if err != nil {
		return "", err
	}
	sealed, err := sealUnder(key, e.ID(), new(jose.EncrypterOptions).WithHeader("encrypted_data_key", encrypted), plaintext, aad)
	if err != nil {
		return "", err
	}
	if again, err := openRemote(ctx, e, encrypted, sealed, aad); err != nil || !bytes.Equal(again, plaintext) {
		return "", errors.Join(fmt.Errorf("key encryptor %s does not decrypt what it encrypted", e.ID()), err)
	}
	return sealed, nil
}

func openRemote(ctx context.Context, e Encryptor, encrypted []byte, sealed, aad string) ([]byte, error) {
	key, err := hooked(ctx, "key encryptor "+e.ID()+": decrypt", func(ctx context.Context) ([]byte, error) {
		return e.Decrypt(ctx, bytes.Clone(encrypted), []byte(aad))
	})
	if err != nil {
		return nil, err
	}
	if len(key) != kekBytes {
		return nil, errSealed
	}
	return openUnder(key, sealed, aad)
}
