package keys

import (
	"context"
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"github.com/go-authd/authd/internal/oauth"
)

// Signing returns the kid of the key that signs for ring. A token may be promised under
// it: [Rings.Sign] still knows it after a rotation.
func (r *Rings) Signing(ring oauth.Ring) (kid string, err error) {
	k, err := r.snapshot.Load().signing(ring, r.cfg.Now(), r.cfg.SnapshotCap)
	if err != nil {
		return "", err
	}
	return k.KID, nil
}

// Admit is to be asked before anything is written for a request that will sign. It returns
// [oauth.Busy] when the signer's queue is longer than clients wait. A snapshot that is too
// old, as after a long pause of the process, it renews first, or returns [ErrNotReady].
func (r *Rings) Admit(ctx context.Context) error {
	if r.gate.isFull() || r.remoteGate.isFull() {
		return oauth.Busy
	}
	s := r.snapshot.Load()
	if s.age(r.cfg.Now()) <= r.cfg.SnapshotCap {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rereadInterval) // for the readings of others
	defer cancel()
	if _, err := r.reread(ctx, s); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrNotReady, oauth.Unavailable, err)
	}
	return nil
}

// Sign returns payload as a compact JWS (RFC 7515 §7.1) whose header has exactly the
// members alg, kid and typ. The key is kid's, or the current one if kid is "" or can no
// longer sign; a kid must be one that [Rings.Signing] returned, here or elsewhere. RS256 is
// deterministic: the same key, typ and payload give the same bytes.
//
// It waits for its turn at the signer as long as ctx allows, and holds neither a lock nor
// a connection then. It returns an error with [oauth.Busy] when ctx ends first, and
// [ErrNotReady] when the snapshot is too old or the signing key is quarantined.
func (r *Rings) Sign(ctx context.Context, ring oauth.Ring, kid, typ string, payload []byte) (string, error) {
	k, err := r.signer(ring, kid)
	if err != nil {
		return "", err
	}
	s, err := k.signer(typ)
	if err != nil {
		return "", err
	}
	if remote := k.private.remote(); remote != nil {
		return r.signRemotely(ctx, k, remote, s, payload)
	}
	var token string
	err = r.gate.do(ctx, func() error {
		token, err = sign(s, payload)
		return err
	})
	return token, err
}

func (r *Rings) signer(ring oauth.Ring, kid string) (*key, error) {
	s, now := r.snapshot.Load(), r.cfg.Now()
	current, err := s.signing(ring, now, r.cfg.SnapshotCap)
	if err != nil {
		return nil, err
	}
	if k := s.find(ring, kid); k.canSign(s.now(now), r.cfg.signsAfter()) {
		return k, nil
	}
	return current, nil
}

func (k *key) signer(typ string) (jose.Signer, error) {
	if s, ok := k.signers.Load(typ); ok {
		return s.(jose.Signer), nil
	}
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: cryptosigner.Opaque(k.private.reveal()), KeyID: k.KID}},
		new(jose.SignerOptions).WithType(jose.ContentType(typ)))
	if err != nil {
		return nil, fmt.Errorf("make a signer of key %s: %w", k.KID, err)
	}
	kept, _ := k.signers.LoadOrStore(typ, s)
	return kept.(jose.Signer), nil
}

func sign(s jose.Signer, payload []byte) (string, error) {
	obj, err := s.Sign(payload)
	if err != nil {
		return "", errors.New("sign: the RSA operation failed") // a library's text might show its input
	}
	return obj.CompactSerialize()
}

// signRemote keeps the error of a host's Signer, which the operator needs.
func signRemote(s jose.Signer, payload []byte) (string, error) {
	obj, err := s.Sign(payload)
	if err != nil {
		return "", err
	}
	return obj.CompactSerialize()
}
