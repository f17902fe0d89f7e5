package pages

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"github.com/go-authd/authd/internal/oauth"
)

// Bounds of what is shown, in characters.
const (
	maxName        = 60
	maxUsername    = 255 // package authn admits as many bytes
	maxHost        = 60
	maxAgent       = 80
	maxScope       = 100
	maxDescription = 300
	maxMarks       = 3 // one upon the other
)

// shown cuts what somebody else wrote to length and leaves out what could make it look like
// something else: control and format characters, among them those that turn the direction
// of text, characters without a look, and piles of accents.
func shown(s string, most int) string {
	clean := legible(s, most+1)
	if len(clean) <= most {
		return string(clean)
	}
	return strings.TrimRight(string(clean[:most-1]), " ") + "…"
}

// typed is what goes back into a field: a name that is too long is no name.
func typed(s string) string {
	clean := legible(s, maxUsername+1)
	if len(clean) > maxUsername {
		return ""
	}
	return string(clean)
}

// shownHost is cut at the front: who owns a host stands at its end.
func shownHost(host string) string {
	clean := legible(host, len(host)+1)
	if len(clean) <= maxHost {
		return string(clean)
	}
	return "…" + string(clean[len(clean)-maxHost+1:])
}

func shownScopes(scopes []string) []string {
	all := make([]string, 0, len(scopes))
	for _, s := range scopes {
		all = append(all, shown(s, maxScope))
	}
	return all
}

// legible returns the first characters of s that can be seen, spaces taken together.
func legible(s string, most int) []rune {
	var out []rune
	marks := 0
	for _, r := range s {
		if len(out) == most {
			break
		}
		switch {
		case unicode.IsSpace(r):
			r, marks = ' ', 0
			if len(out) == 0 || out[len(out)-1] == ' ' {
				continue
			}
		case hidden(r):
			continue
		case !unicode.IsMark(r):
			marks = 0
		case marks == maxMarks:
			continue
		default:
			marks++
		}
		out = append(out, r)
	}
	if n := len(out); n > 0 && n < most && out[n-1] == ' ' {
		out = out[:n-1]
	}
	return out
}

// hidden: invalid UTF-8, what Unicode does not count as printable, and the letters that it
// does and that have no look, as U+3164.
func hidden(r rune) bool {
	return r == unicode.ReplacementChar || !unicode.IsPrint(r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == '\u2800'
}

// webURI returns uri if it may be linked to: https, or http to this machine, of an ASCII
// host and without user information. Everything else is no link.
func webURI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.User != nil || !isASCII(u.Host) {
		return ""
	}
	if u.Scheme == "https" || u.Scheme == "http" && oauth.IsLoopback(u.Hostname()) {
		return u.String()
	}
	return ""
}

func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return shownHost(u.Host)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

var (
	browsers = []struct{ mark, name string }{ // the first that fits: most call themselves others, too
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Whale/", "Whale"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
	systems = []struct{ mark, name string }{
		{"Android", "Android"},
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	}
)

// agent names the browser and the system of a user agent; one that is no browser is shown
// as it calls itself.
func agent(userAgent string) string {
	for _, b := range browsers {
		if !strings.HasPrefix(userAgent, "Mozilla/") || !strings.Contains(userAgent, b.mark) {
			continue
		}
		for _, s := range systems {
			if strings.Contains(userAgent, s.mark) {
				return b.name + " · " + s.name
			}
		}
		return b.name
	}
	return shown(userAgent, maxAgent)
}

// address is empty for what is none.
func address(s string) string {
	if _, err := netip.ParseAddr(s); err != nil {
		return ""
	}
	return s
}
