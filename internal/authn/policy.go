package authn

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/matching"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	// minPasswordRunes is what SP 800-63B-4 §3.1.1.2 demands of a password that stands
	// alone; there is no second factor here that would allow 8.
	minPasswordRunes = 15
	// judgedRunes bounds the estimate's work: what begins well is not made worse by more.
	judgedRunes = 64
	// minScore refuses what an attacker has within about a million guesses.
	minScore = 2
)

var (
	errPasswordShort = oauth.Errorf(oauth.WeakPassword, "password must have at least %d characters", minPasswordRunes)
	errPasswordLong  = oauth.Errorf(oauth.WeakPassword, "password must have at most %d bytes", maxPasswordBytes)
	errPasswordText  = oauth.Errorf(oauth.WeakPassword, "password must be UTF-8")
	errPasswordEasy  = oauth.Errorf(oauth.WeakPassword,
		"password is too easy to guess: it is, or is made of, common passwords, common words, your own names or a pattern; "+
			"choose a few unrelated words instead")
)

// checkNewPassword refuses passwords that are too short, too long or among those that are
// tried first: the lists of common passwords, words and names that zxcvbn carries, what
// is known of the user, repetitions, sequences and keyboard runs. There is no rule about
// kinds of characters (SP 800-63B-4 §3.1.1.2).
func checkNewPassword(password string, known ...string) error {
	if len(password) > maxPasswordBytes {
		return errPasswordLong
	}
	if !utf8.ValidString(password) {
		return errPasswordText
	}
	password = normalise(password)
	if utf8.RuneCountInString(password) < minPasswordRunes {
		return errPasswordShort
	}
	if isEasy(password, known) {
		return errPasswordEasy
	}
	return nil
}

func isEasy(password string, known []string) bool {
	head := firstRunes(repeated(strings.ToLower(password)), judgedRunes)
	words := namesIn(known)
	return score(head, words) < minScore || score(unleet.Replace(head), words) < minScore
}

// repeated returns the shortest string of which s is a repetition, s itself if of no other.
// It must not be empty.
func repeated(s string) string {
	return s[:1+strings.Index((s + s)[1:], s)]
}

// namesIn takes what is known as it is and word by word: of an e-mail address also its
// parts.
func namesIn(known []string) []string {
	words := []string{"authd"}
	for _, k := range known {
		words = append(words, k)
		words = append(words, strings.FieldsFunc(k, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	return words
}

// score leaves out the library's own l33t matcher, which tries every reading of every
// sign and takes a second for some inputs; [unleet] is one reading in linear time.
func score(s string, known []string) int {
	return zxcvbn.PasswordStrength(s, known, matching.FilterL33tMatcher).Score
}

var unleet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
