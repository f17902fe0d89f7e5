package hooktest

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"slices"
)

// HSM makes RSA keys and lets nobody have them. The operations of its faults are "create",
// "open", "public", "sign" and "destroy"; the name is the key's.
type HSM struct {
	faults
	generate  func(bits int) (*rsa.PrivateKey, error)
	keys      map[string]*rsa.PrivateKey
	made      int
	destroyed []string
	session   int // what Open returned before it dies with it
	lies      Lies
}

// Lies are what an HSM says instead of the truth; nil and zero fields do not lie.
type Lies struct {
	Name   string // of a new key
	Opened func(crypto.Signer) crypto.Signer
	Public func(crypto.PublicKey) crypto.PublicKey
	Signed func([]byte) []byte
}

// NewHSM makes an empty one. Its keys are what generate returns.
func NewHSM(generate func(bits int) (*rsa.PrivateKey, error)) *HSM {
	return &HSM{generate: generate, keys: make(map[string]*rsa.PrivateKey)}
}

// Lie changes answers from now on; Lies{} tells the truth again.
func (h *HSM) Lie(l Lies) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lies = l
}

// Disconnect ends all sessions: what OpenKey returned does not sign any more.
func (h *HSM) Disconnect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.session++
}

// Names lists the keys that there are, sorted.
func (h *HSM) Names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name := range h.keys {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Destroyed lists the names of DestroyKey, in order, with repetitions.
func (h *HSM) Destroyed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.destroyed)
}

// CreateKey makes key-1, key-2 and so on.
func (h *HSM) CreateKey(ctx context.Context, bits int) (string, error) {
	if err := h.begin(ctx, "create", ""); err != nil {
		return "", err
	}
	key, err := h.generate(bits)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lies.Name != "" {
		return h.lies.Name, nil
	}
	h.made++
	name := fmt.Sprintf("key-%d", h.made)
	h.keys[name] = key
	return name, nil
}

// OpenKey begins a session.
func (h *HSM) OpenKey(ctx context.Context, name string) (crypto.Signer, error) {
	if err := h.begin(ctx, "open", name); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	key, ok := h.keys[name]
	if !ok {
		return nil, errors.New("no key " + name)
	}
	var s crypto.Signer = &Key{h, name, key, h.session}
	if h.lies.Opened != nil {
		s = h.lies.Opened(s)
	}
	return s, nil
}

// DestroyKey succeeds for a key that is gone.
func (h *HSM) DestroyKey(ctx context.Context, name string) error {
	if err := h.begin(ctx, "destroy", name); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.keys, name)
	h.destroyed = append(h.destroyed, name)
	return nil
}

// Key is what OpenKey returns.
type Key struct {
	hsm     *HSM
	name    string
	private *rsa.PrivateKey
	session int
}

// Public asks the HSM, as adapters do.
func (k *Key) Public() crypto.PublicKey {
	if k.hsm.begin(context.Background(), "public", k.name) != nil {
		return nil
	}
	k.hsm.mu.Lock()
	defer k.hsm.mu.Unlock()
	if k.hsm.lies.Public != nil {
		return k.hsm.lies.Public(&k.private.PublicKey)
	}
	return &k.private.PublicKey
}

// Sign fails when the key is gone or the session over.
func (k *Key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := k.hsm.begin(context.Background(), "sign", k.name); err != nil {
		return nil, err
	}
	k.hsm.mu.Lock()
	_, exists := k.hsm.keys[k.name]
	over, lie := k.session != k.hsm.session, k.hsm.lies.Signed
	k.hsm.mu.Unlock()
	if !exists || over {
		return nil, errors.New("the session is over")
	}
	sig, err := k.private.Sign(random, digest, opts)
	if err == nil && lie != nil {
		sig = lie(sig)
	}
	return sig, err
}
