package authn

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	// MinPassword is how many characters SP 800-63B-4 §3.1.1.2 demands of a password that
	// stands alone; there is no second factor here that would allow 8.
	MinPassword = 15
	// minEffort is in characters that nobody could foretell: four common words, say.
	minEffort = 8
)

var (
	errPasswordShort = oauth.Errorf(oauth.WeakPassword, "password must have at least %d characters", MinPassword)
	errPasswordLong  = oauth.Errorf(oauth.WeakPassword, "password must have at most %d bytes", maxPasswordBytes)
	errPasswordText  = oauth.Errorf(oauth.WeakPassword, "password must be UTF-8")
	errPasswordEasy  = oauth.Errorf(oauth.WeakPassword, "password is made of common passwords, your own names, "+
		"repetitions or sequences; choose several unrelated words instead")
)

// checkNewPassword refuses passwords that are too short or too long and those that are
// tried first. There is no rule about kinds of characters (SP 800-63B-4 §3.1.1.2).
func checkNewPassword(password string, known ...string) error {
	if len(password) > maxPasswordBytes {
		return errPasswordLong
	}
	if !utf8.ValidString(password) {
		return errPasswordText
	}
	password = normalise(password)
	if utf8.RuneCountInString(password) < MinPassword {
		return errPasswordShort
	}
	plain, names := strings.ToLower(password), namesIn(known)
	if effort(plain, names) < minEffort || effort(unleet.Replace(plain), names) < minEffort {
		return errPasswordEasy
	}
	return nil
}

// unleet undoes the usual disguises.
var unleet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// namesIn is what an attacker knows of the user, whole and word by word, and the service.
func namesIn(known []string) map[string]bool {
	names := map[string]bool{"authd": true}
	for _, k := range known {
		k = strings.ToLower(normalise(k))
		names[k] = true
		for _, word := range strings.FieldsFunc(k, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			names[word] = true
		}
	}
	return names
}

const (
	minPart = 3 // shorter parts count letter by letter
	maxPart = 32
)

// effort is the least number of characters' worth of guessing that makes s: the parts of
// the cheapest way to put it together, a repetition once.
func effort(s string, names map[string]bool) int {
	runes := []rune(period(s))
	least := make([]int, len(runes)+1) // of the first i
	for i := 1; i <= len(runes); i++ {
		least[i] = least[i-1] + 1
		for n := minPart; n <= min(i, maxPart); n++ {
			least[i] = min(least[i], least[i-n]+cost(runes[i-n:i], names))
		}
	}
	return least[len(runes)]
}

// cost of a part: one of some ten thousand is worth two characters, what follows from its
// first character or from knowing the user is worth one.
func cost(part []rune, names map[string]bool) int {
	s := string(part)
	switch {
	case names[s] || isRun(part, s):
		return 1
	case commonPasswords()[s] || len(part) <= 4 && strings.Trim(s, "0123456789") == "":
		return 2
	}
	return len(part)
}

// period is the shortest beginning of s that s repeats at least twice, s itself if none.
func period(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if strings.HasPrefix(s, s[n:]) && utf8.RuneStart(s[n]) {
			return s[:n]
		}
	}
	return s
}

var keyboard = []string{"qwertyuiop", "poiuytrewq", "asdfghjkl", "lkjhgfdsa", "zxcvbnm", "mnbvcxz", "1234567890", "0987654321"}

// isRun: "aaa", "abc", "321", "wert".
func isRun(part []rune, s string) bool {
	for _, row := range keyboard {
		if strings.Contains(row, s) {
			return true
		}
	}
	step := part[1] - part[0]
	for i := 1; i < len(part); i++ {
		if part[i]-part[i-1] != step {
			return false
		}
	}
	return -1 <= step && step <= 1
}

//go:embed common_passwords.txt
var commonPasswordsFile string

// commonPasswords are read when the first password is chosen: few programs get there.
var commonPasswords = sync.OnceValue(func() map[string]bool {
	list := make(map[string]bool)
	for line := range strings.Lines(commonPasswordsFile) {
		if !strings.HasPrefix(line, "#") {
			list[strings.TrimSpace(line)] = true
		}
	}
	return list
})
