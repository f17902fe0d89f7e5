package keys

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/go-authd/authd/internal/oauth"
)

// Signer makes and keeps private halves where they never leave: a KMS or an HSM. Every
// replica has the same. Its methods are called at the same time.
type Signer interface {
	// CreateKey makes an RSA key and returns a name by which every replica finds it, and
	// which no other key ever had.
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

// What is done with a Signer, in errors.
const (
	doCreate  = "signer: create a key"
	doOpen    = "signer: open a key"
	doSign    = "signer: sign"
	doDestroy = "signer: destroy a key"
)

// remoteKey is a private half at the Signer.
type remoteKey struct {
	name   string
	public *rsa.PublicKey
	// opened is what OpenKey gave last: a session with an HSM may end, and then another
	// takes its place.
	opened atomic.Pointer[crypto.Signer]
	fault  atomic.Pointer[error] // of the last signature; nil once it signs again
}

// Public is the row's: the Signer need not be asked.
func (k *remoteKey) Public() crypto.PublicKey { return k.public }

func (k *remoteKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return (*k.opened.Load()).Sign(random, digest, opts)
}

// remote returns nil for a private half that is here, or gone.
func (p private) remote() *remoteKey {
	if p.isNone() {
		return nil
	}
	k, _ := p.reveal().(*remoteKey)
	return k
}

// createName has the Signer make a key. One that comes too late is destroyed: nobody would
// know its name.
func (r *Rings) createName(ctx context.Context) (string, error) {
	name, err := call(ctx, r.cfg.hooks, hookCall[string]{
		doing: doCreate, timeout: makeTimeout,
		run:  func(ctx context.Context) (string, error) { return r.cfg.Signer.CreateKey(ctx, r.cfg.Bits) },
		late: func(name string) { r.destroyUnused(ctx, name) },
	})
	if err != nil {
		return "", err
	}
	if name == "" || len(name) > maxSignerKey {
		return "", lie(doCreate, fmt.Errorf("its name has %d bytes, must have 1 to %d", len(name), maxSignerKey))
	}
	if taken, err := r.isTaken(ctx, name); err != nil {
		return "", err
	} else if taken {
		return "", lie(doCreate, errTaken)
	}
	return name, nil
}

var errTaken = errors.New("its name is that of a key which exists already")

// checkNew returns the public half of a new key of the Signer, which has signed.
func (r *Rings) checkNew(ctx context.Context, name string) (*rsa.PublicKey, error) {
	s, public, err := r.openKey(ctx, name)
	if err != nil {
		return nil, err
	}
	if got := public.N.BitLen(); got != r.cfg.Bits {
		return nil, lie(doCreate, fmt.Errorf("it has %d bits, must have %d", got, r.cfg.Bits))
	}
	return public, r.probe(ctx, s, public)
}

// openKey also asks for the public half, which an adapter may have to fetch.
func (r *Rings) openKey(ctx context.Context, name string) (crypto.Signer, *rsa.PublicKey, error) {
	if r.cfg.Signer == nil {
		return nil, nil, errors.New("the private half is at a KMS or HSM, and no signer is configured")
	}
	type opened struct {
		signer crypto.Signer
		public *rsa.PublicKey
	}
	k, err := call(ctx, r.cfg.hooks, hookCall[opened]{doing: doOpen, run: func(ctx context.Context) (opened, error) {
		s, err := r.cfg.Signer.OpenKey(ctx, name)
		if err != nil {
			return opened{}, err
		}
		if s == nil {
			return opened{}, errors.New("no such key")
		}
		public, ok := s.Public().(*rsa.PublicKey)
		if !ok || public == nil || public.N == nil {
			return opened{}, errors.New("it is no RSA key")
		}
		return opened{s, public}, nil
	}})
	return k.signer, k.public, err
}

// openRemoteKey checks that the Signer's key is the one of the row, and signs.
func (r *Rings) openRemoteKey(ctx context.Context, name string, public *rsa.PublicKey) (private, error) {
	k := &remoteKey{name: name, public: public}
	if err := r.reopen(ctx, k); err != nil {
		return private{}, err
	}
	return newPrivate(k), nil
}

func (r *Rings) reopen(ctx context.Context, k *remoteKey) error {
	s, public, err := r.openKey(ctx, k.name)
	if err != nil {
		return err
	}
	if !public.Equal(k.public) {
		return lie(doOpen, errors.New("it is another key than its row says"))
	}
	if err := r.probe(ctx, s, k.public); err != nil {
		return err
	}
	k.opened.Store(&s)
	return nil
}

// probe lets s sign what can be no token, and checks the signature.
func (r *Rings) probe(ctx context.Context, s crypto.Signer, public *rsa.PublicKey) error {
	sum := sha256.Sum256([]byte("authd signer probe"))
	sig, err := call(ctx, r.cfg.hooks, hookCall[[]byte]{doing: doSign, run: func(context.Context) ([]byte, error) {
		return s.Sign(rand.Reader, sum[:], crypto.SHA256)
	}})
	if err != nil {
		return err
	}
	wanted := sha256.Sum256([]byte("authd signer probe")) // sum was in the host's hands
	if rsa.VerifyPKCS1v15(public, crypto.SHA256, wanted[:], sig) != nil {
		return lie(doSign, errWrongSignature)
	}
	return nil
}

var errWrongSignature = errors.New("the signature is wrong")

func (r *Rings) destroyKey(ctx context.Context, name string) error {
	_, err := call(ctx, r.cfg.hooks, hookCall[struct{}]{doing: doDestroy, run: func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.cfg.Signer.DestroyKey(ctx, name)
	}})
	return err
}

// signRemotely checks each signature before it lets the token out. What the Signer does
// wrong is an outage: the client may come again, and the replica is not ready until the key
// signs once more (see [Rings.mend]). A client that went away says nothing of the Signer.
func (r *Rings) signRemotely(ctx context.Context, k *key, remote *remoteKey, s jose.Signer, payload []byte) (string, error) {
	before := remote.fault.Load()
	token, err := r.remoteGate.start(ctx, r.signing, func() (string, error) { return signRemote(s, payload) })
	if errors.Is(err, oauth.Busy) {
		return "", err
	}
	if err == nil {
		err = verifyOwn(token, k.public)
	}
	switch {
	case err == nil:
		remote.fault.CompareAndSwap(before, nil)
		return token, nil
	case ctx.Err() == nil:
		remote.fault.Store(&err)
	}
	return "", fmt.Errorf("%w: key %s: %w", oauth.Unavailable, k.KID, err)
}

func verifyOwn(token string, public *rsa.PublicKey) error {
	c, err := oauth.ParseCompact(token)
	if err != nil || c.VerifyRS256(public) != nil {
		return lie(doSign, errWrongSignature)
	}
	return nil
}

// mend tries keys of the Signer that failed, so that a replica to which no request comes
// any more finds out that they work again.
func (r *Rings) mend(ctx context.Context) error {
	s := r.snapshot.Load()
	var errs []error
	for _, name := range allRings {
		for _, k := range s.rings[name].inOrder() {
			remote := k.private.remote()
			if remote == nil || !k.canSign(s.now(r.cfg.Now()), r.cfg.signsAfter()) {
				continue
			}
			if err := r.mendKey(ctx, remote); err != nil {
				errs = append(errs, fmt.Errorf("key %s: %w", k.KID, err))
			}
		}
	}
	err := errors.Join(errs...)
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.WarnContext(ctx, "signer does not sign", "err", err)
	}
	return err
}

func (r *Rings) mendKey(ctx context.Context, k *remoteKey) error {
	fault := k.fault.Load()
	if fault == nil {
		return nil
	}
	if r.probe(ctx, k, k.public) != nil {
		if err := r.reopen(ctx, k); err != nil {
			return err
		}
	}
	k.fault.CompareAndSwap(fault, nil)
	return nil
}
