package authd

import (
	"context"
	"crypto"
)

// KeyEncryptor is a key that encrypts other keys: a [Secret], or one that never leaves a
// KMS. To it go data keys of 32 bytes, one for each private signing key, when that is made
// or rewrapped and when a server first reads it; nothing that is signed waits for it. What
// it encrypts is decrypted again before it is stored.
//
// Its methods are called at the same time. A call that takes more than 5 s has failed,
// whether it obeys ctx or not, and so has one that panics. While the KMS is away, servers
// that run go on signing; [New] returns an error that wraps [ErrUnavailable].
type KeyEncryptor interface {
	// ID names the key, the same for every server and as long as anything is encrypted
	// with it. It is stored in clear and logged. It is asked once.
	ID() string
	// Encrypt binds the result to aad, which a KMS may call the encryption context or
	// additional authenticated data.
	Encrypt(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Decrypt returns an error unless ciphertext is what Encrypt made with the same aad.
	Decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error)
}

// Signer makes and keeps private signing keys where they never leave: in a KMS or an HSM.
// Each signature is then a call to it, and each is verified before a token goes out. A
// signer that fails makes the server not ready until it signs again, which the server tries
// by itself, and clients get 503.
//
// Its methods are called at the same time. A call that takes more than 5 s (CreateKey: a
// minute) has failed, whether it obeys its context or not, and so has one that panics.
//
// authd makes about one key per ring and KeyPeriod. A server that is killed while it makes
// one may leave a key behind that nothing knows.
type Signer interface {
	// CreateKey makes an RSA key that signs by PKCS #1 v1.5 with SHA-256, and returns the
	// name by which every server finds it, 1 to 2048 bytes; a new name for each key. The
	// name is stored in clear and logged.
	CreateKey(ctx context.Context, bits int) (name string, err error)
	// OpenKey returns the key of this name. It is called once for each key, and again when
	// that has failed to sign, as after the end of a session. Sign is called with SHA-256
	// digests, up to 64 times at once.
	OpenKey(ctx context.Context, name string) (crypto.Signer, error)
	// DestroyKey is called for a key whose time is over, or that was made for nothing. More
	// than one server may call it: a key that is gone is a success.
	DestroyKey(ctx context.Context, name string) error
}
