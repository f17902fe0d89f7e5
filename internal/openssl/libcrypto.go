//go:build openssl

package openssl

/*
#cgo pkg-config: libcrypto

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "OpenSSL 3.0 or later is needed"
#endif

typedef struct {
	const char *operation; // that failed; NULL: none did
	unsigned long code;    // OpenSSL's, 0 where it gave none
} authd_failure;

// OpenSSL queues errors by thread, and a goroutine may change its thread between two calls
// of C: the queue is read and emptied in the call that filled it.
static authd_failure authd_result(const char *operation) {
	authd_failure f = {operation, operation ? ERR_peek_error() : 0};
	ERR_clear_error();
	return f;
}

// authd_parse takes an unencrypted PKCS #8 key in DER.
static authd_failure authd_parse(const unsigned char *der, long length, EVP_PKEY **key) {
	ERR_clear_error();
	*key = d2i_AutoPrivateKey(NULL, &der, length);
	return authd_result(*key ? NULL : "d2i_AutoPrivateKey");
}

// authd_sign fills signature, which has the length of the modulus.
static authd_failure authd_sign(EVP_PKEY *key, const unsigned char *digest, size_t digest_length,
		unsigned char *signature, size_t length) {
	const char *failed = NULL;
	size_t written = length;

	ERR_clear_error();
	// One of its own for each signature: it must not be shared, and costs 1 % of one.
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!ctx)
		failed = "EVP_PKEY_CTX_new";
	else if (EVP_PKEY_sign_init(ctx) <= 0)
		failed = "EVP_PKEY_sign_init";
	else if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0)
		failed = "EVP_PKEY_CTX_set_rsa_padding";
	else if (EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) <= 0)
		failed = "EVP_PKEY_CTX_set_signature_md";
	else if (EVP_PKEY_sign(ctx, signature, &written, digest, digest_length) <= 0 || written != length)
		failed = "EVP_PKEY_sign";
	EVP_PKEY_CTX_free(ctx);
	return authd_result(failed);
}
*/
import "C"

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Enabled says whether this build has libcrypto.
const Enabled = true

// Version is that of the libcrypto in use, "" in a build without.
func Version() string { return C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)) }

// signer has a key in libcrypto's memory. It prints as "[redacted]", and as addresses where
// fmt does not ask it, inside other structs.
type signer struct {
	key *C.EVP_PKEY
	pub rsa.PublicKey // a copy: a pointer into the private key would keep that alive
}

var _ crypto.Signer = (*signer)(nil)

// live counts the keys in libcrypto's memory, for the tests.
var live atomic.Int64

func load(key *rsa.PrivateKey) (crypto.Signer, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("private key cannot be encoded") // x509's text is not ours to trust
	}
	defer wipe(der)
	parsed, err := parse(der)
	if err != nil {
		return nil, err
	}
	s := &signer{parsed, key.PublicKey}
	live.Add(1)
	runtime.AddCleanup(s, free, parsed)
	return s, nil
}

func parse(der []byte) (key *C.EVP_PKEY, err error) {
	err = failure(C.authd_parse((*C.uchar)(unsafe.SliceData(der)), C.long(len(der)), &key))
	return key, err
}

func wipe(b []byte) { C.OPENSSL_cleanse(unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b))) }

// free also wipes the private numbers: libcrypto does so when the last reference goes.
func free(key *C.EVP_PKEY) {
	C.EVP_PKEY_free(key)
	live.Add(-1)
}

// Public returns an *rsa.PublicKey.
func (s *signer) Public() crypto.PublicKey { return &s.pub }

// Sign makes the signature that [NewSigner] describes, and refuses all others.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != crypto.SHA256 {
		return nil, errors.New("sign: only PKCS #1 v1.5 with SHA-256 is there")
	}
	if len(digest) != sha256.Size {
		return nil, fmt.Errorf("sign: digest has %d bytes, want %d", len(digest), sha256.Size)
	}
	return s.sign(digest)
}

func (s *signer) sign(digest []byte) ([]byte, error) {
	signature := make([]byte, s.pub.Size())
	err := failure(C.authd_sign(s.key,
		(*C.uchar)(unsafe.SliceData(digest)), C.size_t(len(digest)),
		(*C.uchar)(unsafe.SliceData(signature)), C.size_t(len(signature))))
	runtime.KeepAlive(s) // or its key might be freed while it is used
	if err != nil {
		return nil, err
	}
	return signature, nil
}

// failure names the operation and OpenSSL's reason, which is one of a fixed list. What OpenSSL
// may have noted beside it stays out.
func failure(f C.authd_failure) error {
	if f.operation == nil {
		return nil
	}
	var text [256]C.char
	C.ERR_error_string_n(f.code, &text[0], C.size_t(len(text)))
	return fmt.Errorf("%s: %s", C.GoString(f.operation), C.GoString(&text[0]))
}

const redacted = "[redacted]"

func (*signer) String() string               { return redacted }
func (*signer) GoString() string             { return redacted }
func (*signer) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, redacted) }
func (*signer) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
func (*signer) LogValue() slog.Value         { return slog.StringValue(redacted) }
