package keys

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/go-authd/authd/internal/oauth"
)

// Signer makes and keeps private halves where they never leave: a KMS or an HSM. Every
// replica has the same.
type Signer interface {
	// CreateKey makes an RSA key and returns a name by which every replica finds it.
	CreateKey(ctx context.Context, bits int) (name string, err error)
	// OpenKey returns the key of that name. Its Sign is called with SHA-256 digests for
	// PKCS #1 v1.5, at the same time from many goroutines.
	OpenKey(ctx context.Context, name string) (crypto.Signer, error)
	// DestroyKey is called for a key that nothing needs any more, maybe by several
	// replicas, and maybe for one that is gone already: that is a success.
	DestroyKey(ctx context.Context, name string) error
}

// maxSignerKey bounds the name of a key, in bytes.
const maxSignerKey = 2048

// createKey returns the public half of a new key of the Signer, which has signed.
func (r *Rings) createKey(ctx context.Context) (name string, public *rsa.PublicKey, err error) {
	name, err = hooked(ctx, "signer: create a key", func(ctx context.Context) (string, error) {
		return r.cfg.Signer.CreateKey(ctx, r.cfg.Bits)
	})
	if err != nil {
		return "", nil, err
	}
	if name == "" || len(name) > maxSignerKey {
		return "", nil, fmt.Errorf("signer: the name of a new key has %d bytes, must have 1 to %d", len(name), maxSignerKey)
	}
	s, err := r.openKey(ctx, name)
	if err != nil {
		return name, nil, err
	}
	public, ok := s.Public().(*rsa.PublicKey)
	if !ok || public.N.BitLen() != r.cfg.Bits {
		return name, nil, fmt.Errorf("signer: a new key is no RSA key of %d bits", r.cfg.Bits)
	}
	return name, public, r.probe(ctx, s, public)
}

func (r *Rings) openKey(ctx context.Context, name string) (crypto.Signer, error) {
	if r.cfg.Signer == nil {
		return nil, errors.New("the private half is at a KMS or HSM, and no signer is configured")
	}
	return hooked(ctx, "signer: open a key", func(ctx context.Context) (crypto.Signer, error) {
		s, err := r.cfg.Signer.OpenKey(ctx, name)
		if err == nil && s == nil {
			err = errors.New("no such key")
		}
		return s, err
	})
}

// openRemoteKey also checks that the Signer's key is the one of the row, and signs.
func (r *Rings) openRemoteKey(ctx context.Context, name string, public *rsa.PublicKey) (private, error) {
	s, err := r.openKey(ctx, name)
	if err != nil {
		return private{}, err
	}
	if theirs, ok := s.Public().(*rsa.PublicKey); !ok || !theirs.Equal(public) {
		return private{}, &hookError{"signer: open a key", errors.New("it is another key than its row says")}
	}
	if err := r.probe(ctx, s, public); err != nil {
		return private{}, err
	}
	p := newPrivate(s)
	p.remote = true
	return p, nil
}

// probe lets s sign what can be no token, and checks the signature.
func (r *Rings) probe(ctx context.Context, s crypto.Signer, public *rsa.PublicKey) error {
	sum := sha256.Sum256([]byte("authd signer probe"))
	sig, err := hooked(ctx, "signer: sign", func(context.Context) ([]byte, error) {
		return s.Sign(nil, sum[:], crypto.SHA256)
	})
	if err != nil {
		return err
	}
	if rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig) != nil {
		return &hookError{"signer: sign", errWrongSignature}
	}
	return nil
}

var errWrongSignature = errors.New("the signature is wrong")

// destroyKey is for a private half that no row has, or that its row does not need.
func (r *Rings) destroyKey(ctx context.Context, name string) error {
	_, err := hooked(ctx, "signer: destroy a key", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.cfg.Signer.DestroyKey(ctx, name)
	})
	return err
}

// signRemotely checks each signature before it lets the token out. What the Signer does
// wrong is an outage: the client may come again, and the replica is not ready until the
// Signer signs once more (see [Rings.Run]).
func (r *Rings) signRemotely(ctx context.Context, k *key, sign func() (string, error)) (string, error) {
	token, err := r.remoteGate.start(ctx, sign)
	if errors.Is(err, oauth.Busy) {
		return "", err
	}
	if err == nil {
		err = verifyOwn(token, k.public)
	}
	if err != nil {
		err = &hookError{"signer: sign", err}
		r.signerFault.Store(&err)
		return "", fmt.Errorf("%w: %w", oauth.Unavailable, err)
	}
	return token, nil
}

func verifyOwn(token string, public *rsa.PublicKey) error {
	c, err := oauth.ParseCompact(token)
	if err == nil && c.VerifyRS256(public) != nil {
		err = errWrongSignature
	}
	return err
}

// mendSigner tries a Signer that has failed, so that a replica to which no request comes
// any more finds out that it works again.
func (r *Rings) mendSigner(ctx context.Context) error {
	fault := r.signerFault.Load()
	if fault == nil {
		return nil
	}
	for _, g := range r.snapshot.Load().rings {
		if g.signing == nil || !g.signing.private.remote {
			continue
		}
		if err := r.probe(ctx, g.signing.private.reveal(), g.signing.public); err != nil {
			return err
		}
	}
	r.signerFault.CompareAndSwap(fault, nil)
	return nil
}
