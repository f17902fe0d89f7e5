package authn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
)

// maxPasswordBytes bounds the work that a password causes; it is never cut to fit.
const maxPasswordBytes = 1024

// production is OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
var production = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Bounds of a stored hash. Beyond them it is not one that somebody chose, and evaluating
// it would take the memory or the time of everybody else.
const (
	maxHashKiB    = 64 << 10        // RFC 9106 §4, second choice
	maxPassesKiB  = 16 * maxHashKiB // memory times passes, about half a second
	minSaltBytes  = 8               // RFC 9106 §3.1
	minKeyBytes   = 16
	maxFieldBytes = 64
	maxBcryptCost = 14 // about a second
)

var errHash = errors.New("stored password hash cannot be used")

// storedHash is a hash within bounds.
type storedHash struct {
	text   string
	params *argon2id.Params // nil: bcrypt, from another system
}

// parseHash reads PHC strings of Argon2id and bcrypt's "$2a$", "$2b$" and "$2y$". Its
// errors wrap errHash and hold nothing of the hash.
func parseHash(s string) (storedHash, error) {
	if strings.HasPrefix(s, "$2") {
		return parseBcrypt(s)
	}
	params, _, _, err := argon2id.DecodeHash(s)
	if err != nil {
		return storedHash{}, fmt.Errorf("%w: neither argon2id nor bcrypt", errHash)
	}
	if !withinBounds(params) {
		return storedHash{}, fmt.Errorf("%w: argon2id parameters out of bounds", errHash)
	}
	return storedHash{text: s, params: params}, nil
}

func parseBcrypt(s string) (storedHash, error) {
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil || cost > maxBcryptCost || len(s) != 60 {
		return storedHash{}, fmt.Errorf("%w: bcrypt malformed or too costly", errHash)
	}
	return storedHash{text: s}, nil
}

// withinBounds also keeps out what makes the library panic (no pass, no lane) and an
// empty key, which every password would match.
func withinBounds(p *argon2id.Params) bool {
	return p.Iterations >= 1 && p.Parallelism >= 1 && p.Memory >= 8 && p.Memory <= maxHashKiB &&
		uint64(p.Memory)*uint64(p.Iterations) <= maxPassesKiB &&
		p.SaltLength >= minSaltBytes && p.SaltLength <= maxFieldBytes &&
		p.KeyLength >= minKeyBytes && p.KeyLength <= maxFieldBytes
}

// matches evaluates the hash. A bcrypt hash knows only the first 72 bytes of what it was
// made from, and not normalised; the rehash after it knows all.
func (h storedHash) matches(password string) (bool, error) {
	if h.params == nil {
		err := bcrypt.CompareHashAndPassword([]byte(h.text), []byte(password))
		if err == nil || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return err == nil, nil
		}
		return false, fmt.Errorf("%w: bcrypt malformed", errHash)
	}
	return argon2id.ComparePasswordAndHash(normalise(password), h.text)
}

// outdated: weaker than live, or another scheme. Stronger hashes stay as they are.
func (h storedHash) outdated(live argon2id.Params) bool {
	return h.params == nil || h.params.Memory < live.Memory || h.params.Iterations < live.Iterations ||
		h.params.KeyLength < live.KeyLength || h.params.SaltLength < live.SaltLength
}

// normalise makes one password of the forms in which keyboards send it (NFKC, SP 800-63B
// §3.1.1.2). Case and space stay.
func normalise(password string) string { return norm.NFKC.String(password) }
