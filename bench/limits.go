package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-authd/authd/internal/openssl"
)

// newSigner makes the signer that the server of the same build has.
func newSigner(key *rsa.PrivateKey) (crypto.Signer, error) {
	if !openssl.Enabled {
		return key, nil
	}
	return openssl.NewSigner(key)
}

func signerName() string {
	if !openssl.Enabled {
		return "crypto/rsa"
	}
	return openssl.Version()
}

// signing is all processors signing and nothing else.
func signing(with crypto.Signer) *subject {
	return newSubject("RSA-2048 signatures", repeat(runtime.GOMAXPROCS(0), func() error {
		_, err := signature(with)
		return err
	}))
}

// verifying is all processors checking signatures.
func verifying(key *rsa.PrivateKey) (*subject, error) {
	sum := sha256.Sum256(claims)
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, err
	}
	return newSubject("RSA-2048 verifications", repeat(runtime.GOMAXPROCS(0), func() error {
		sum := sha256.Sum256(claims)
		return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig)
	})), nil
}

func repeat(n int, do step) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = do
	}
	return steps
}

// inserting is as many connections as send requests, each with the one insert of a
// revocation, by hand.
func inserting(ctx context.Context, d *database, conns int) (_ *subject, done func(), err error) {
	pool, err := openPool(ctx, d.url, conns)
	if err != nil {
		return nil, nil, err
	}
	if _, err := pool.Exec(ctx, `create table bare_inserts (like authd.revoked_tokens including all)`); err != nil {
		pool.Close()
		return nil, nil, err
	}
	var n atomic.Int64
	exp := time.Now().Add(time.Hour)
	return newSubject("committed inserts", repeat(conns, func() error {
		_, err := pool.Exec(ctx, `insert into bare_inserts (jti, client_id, audience, exp) values ($1, $2, $3, $4)`,
			"jti of 22 characters "+strconv.FormatInt(n.Add(1), 36), shop, audience, exp)
		return err
	})), pool.Close, nil
}
