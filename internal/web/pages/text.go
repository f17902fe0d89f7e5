package pages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
)

const (
	english = "en"
	korean  = "ko"
)

// languages are those of the catalogues; the first is for everybody else.
var languages = []string{english, korean}

// Languages are the tags of all languages that the pages have.
func Languages() []string { return slices.Clone(languages) }

var matcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// maxLanguages bounds what is read of a header, in bytes. Browsers send less than 100.
const maxLanguages = 512

// choose returns the language that ui_locales (OpenID Connect Core §3.1.2.1) asks for, or
// else the header (RFC 9110 §12.5.4), or else English.
func choose(uiLocales string, accept []string) string {
	_, index := language.MatchStrings(matcher,
		bounded(strings.ReplaceAll(uiLocales, " ", ",")), bounded(strings.Join(accept, ",")))
	return languages[index]
}

// bounded cuts a list off before the item that is too much.
func bounded(list string) string {
	if len(list) <= maxLanguages {
		return list
	}
	list = list[:maxLanguages]
	return list[:max(strings.LastIndexByte(list, ','), 0)]
}

// texts are the texts of one language by key. "{}" is where an argument goes.
type texts map[string]string

func catalogue(lang string) texts {
	return map[string]texts{english: textsEN, korean: textsKO}[lang]
}

// text returns the text of key with its argument, if it has one.
func (c texts) text(key string, args ...any) (string, error) {
	s, ok := c[key]
	if !ok {
		return "", fmt.Errorf("no text has the key %q", key)
	}
	if want := strings.Count(s, "{}"); want != len(args) {
		return "", fmt.Errorf("text %q: %d arguments, want %d", key, len(args), want)
	}
	for _, a := range args {
		s = strings.Replace(s, "{}", fmt.Sprint(a), 1)
	}
	return s, nil
}

// named is a text around a name, in pieces: the name gets an element of its own, in which
// its direction ends.
type named struct{ Before, Name, After string }

func (c texts) around(key, name string) (named, error) {
	before, after, ok := strings.Cut(c[key], "{}")
	if !ok {
		return named{}, fmt.Errorf("no text around a name has the key %q", key)
	}
	if name == "" {
		name = c["nameless"]
	}
	return named{before, name, after}, nil
}

// problem returns the text of p on a page: that of its own, if it has one.
func (c texts) problem(page string, p Problem) string {
	return c.first("problem."+page+"."+string(p), "problem."+string(p), "problem.other")
}

// scope returns what a scope is for. Empty: only its name is known.
func (c texts) scope(name string) string { return c["scope."+name] }

// failure is what an error page says to a person.
type failure struct{ Title, Text string }

func (c texts) failure(code string) failure {
	key := "error." + code
	return failure{c.first(key+".title", "error.other.title"), c.first(key+".text", "error.other.text")}
}

// first returns the text of the first key that has one.
func (c texts) first(keys ...string) string {
	i := slices.IndexFunc(keys, func(k string) bool { return c[k] != "" })
	return c[keys[i]] // the last one always has
}

const day = 24 * time.Hour

// ago tells a time without a zone, which nobody knows here; beyond a month, a date.
func (c texts) ago(now, t time.Time) (string, error) {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "", nil
	case d < time.Minute:
		return c.text("ago.now")
	case d < time.Hour:
		return c.count("ago.minutes", int(d/time.Minute))
	case d < day:
		return c.count("ago.hours", int(d/time.Hour))
	case d < 30*day:
		return c.count("ago.days", int(d/day))
	default:
		return c.date(t), nil
	}
}

// count uses the key with ".one" for one.
func (c texts) count(key string, n int) (string, error) {
	if n == 1 {
		return c.text(key + ".one")
	}
	return c.text(key, n)
}

func (c texts) date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(c["date"])
}
