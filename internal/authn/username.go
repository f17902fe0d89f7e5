package authn

import (
	"crypto/sha256"
	"strings"
	"unicode"

	"golang.org/x/text/secure/precis"

	"github.com/go-authd/authd/internal/oauth"
)

// maxUsernameBytes is enough for any e-mail address (RFC 5321 §4.5.3.1).
const maxUsernameBytes = 255

// username is a user name that somebody may have.
type username struct {
	// shown keeps the case in which it was typed.
	shown string
	// key is the canonical form: two names with one key are one account.
	key string
}

// account is the throttle's key: of one length and without a trace of what people type
// into the wrong field.
func (u username) account() []byte {
	sum := sha256.Sum256([]byte(u.key))
	return sum[:]
}

// browser is what the throttle calls a browser in which the user has signed in, by the secret
// that only that browser has; nil for none.
func (u username) browser(secret string) []byte {
	if secret == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("browser\x00" + secret + "\x00" + u.key))
	return sum[:]
}

var errUsername = oauth.Errorf(oauth.InvalidRequest,
	"user name must be 1 to 255 bytes of letters, digits and ASCII punctuation, without spaces or mixed scripts")

// parseUsername canonicalises by RFC 8265 §3.3 (UsernameCaseMapped): full-width and
// upper-case forms are the same name; spaces inside, control and zero-width characters
// and compatibility characters are refused. Space around the name is a slip of the
// keyboard and is left out. A dot at the end is part of a name.
func parseUsername(s string) (username, error) {
	if len(s) > 4*maxUsernameBytes { // before any work
		return username{}, errUsername.Because("user name too long")
	}
	s = strings.TrimSpace(s)
	shown, errShown := precis.UsernameCasePreserved.String(s)
	key, errKey := precis.UsernameCaseMapped.String(s)
	if errShown != nil || errKey != nil || key == "" || !isStable(shown, key) {
		return username{}, errUsername.Because("user name outside RFC 8265")
	}
	if len(key) > maxUsernameBytes || len(shown) > maxUsernameBytes {
		return username{}, errUsername.Because("user name too long")
	}
	if mixesScripts(key) {
		return username{}, errUsername.Because("user name mixes scripts")
	}
	return username{shown: shown, key: key}, nil
}

// isStable: the profile is not idempotent for every string (RFC 8264 §7); a name whose
// canonical form has another canonical form is none.
func isStable(shown, key string) bool {
	again, err := precis.UsernameCaseMapped.String(key)
	fromShown, errShown := precis.UsernameCaseMapped.String(shown)
	return err == nil && errShown == nil && again == key && fromShown == key
}

// lookalikes are the scripts whose letters pass for those of another (UTS #39 §4).
var lookalikes = []*unicode.RangeTable{
	unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic,
}

// mixesScripts catches "аdmin" with a Cyrillic а. A name that is wholly of look-alikes is
// let through: it is somebody's language.
func mixesScripts(s string) bool {
	var seen *unicode.RangeTable
	for _, r := range s {
		for _, script := range lookalikes {
			if !unicode.Is(script, r) {
				continue
			}
			if seen != nil && seen != script {
				return true
			}
			seen = script
		}
	}
	return false
}
