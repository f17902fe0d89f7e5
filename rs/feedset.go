package rs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// kinds are the members of an entry that say which tokens it means: those with this value in the claim of the same
// name, or, of kid, in the header.
var kinds = [...]string{"sid", "jti", "sub", "client_id", "kid"}

// valuesOf returns what a token has of each kind, "" for nothing.
func valuesOf(t *Token) [len(kinds)]string {
	return [...]string{t.SessionID, t.ID, t.Subject, t.ClientID, t.Kid}
}

// always is the before of an entry without one.
const always = math.MaxInt64

// mark ends tokens with a smaller iat, until none of them can be alive. Both are seconds since 1970, rounded up.
type mark struct{ before, exp int64 }

// revocation is an entry of the feed.
type revocation struct {
	kind int // of kinds
	id   string
	mark
}

// feedSet is read by many and changed by one at a time.
type feedSet struct {
	mu    sync.RWMutex
	marks [len(kinds)]map[string]mark
}

// has reports whether t is dead. The verifier takes a token for alive until exp and its leeway are over, so an entry
// counts as long as the greatest leeway allows.
func (s *feedSet) has(t *Token, now time.Time) bool {
	iat, clock := t.IssuedAt.Unix(), now.Add(-maxLeeway).Unix()
	values := valuesOf(t)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for kind, value := range values {
		if m, ok := s.marks[kind][value]; ok && iat < m.before && clock < m.exp {
			return true
		}
	}
	return false
}

// add leaves out what is over.
func (s *feedSet) add(all []revocation, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		s.put(r, now)
	}
}

func (s *feedSet) put(r revocation, now time.Time) {
	if now.Add(-maxLeeway).Unix() >= r.exp {
		return
	}
	if s.marks[r.kind] == nil {
		s.marks[r.kind] = make(map[string]mark)
	}
	old := s.marks[r.kind][r.id] // zero for none
	s.marks[r.kind][r.id] = mark{max(old.before, r.before), max(old.exp, r.exp)}
}

// replace builds the new set before anybody has to wait for it.
func (s *feedSet) replace(all []revocation, now time.Time) {
	var fresh feedSet
	fresh.add(all, now)
	s.swap(&fresh)
}

// sweep forgets what is over. It builds new maps, because a map never gives memory back. Only the one who changes the
// set may call it.
func (s *feedSet) sweep(now time.Time) {
	var fresh feedSet
	for kind := range s.marks {
		for id, m := range s.marks[kind] {
			fresh.put(revocation{kind, id, m}, now)
		}
	}
	s.swap(&fresh)
}

func (s *feedSet) swap(fresh *feedSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = fresh.marks
}

// news is one answer of the feed.
type news struct {
	revoked []revocation
	next    string // the cursor for the next question
	reset   bool   // revoked is all there is
	unknown int    // entries of kinds that this version does not know
}

const (
	maxNewsBytes = 16 << 20
	// maxCursor is the longest that the issuer would read, in bytes.
	maxCursor = 8 << 10
)

// readNews reads an answer of at most 16 MiB entry by entry. It is all or nothing: an answer that is wrong anywhere
// says nothing. Members that it does not know are skipped.
func readNews(body io.Reader) (news, error) {
	limited := &io.LimitedReader{R: body, N: maxNewsBytes + 1}
	r := newsReader{in: json.NewDecoder(limited), seen: map[string]bool{}}
	err := r.object()
	switch {
	case limited.N <= 0:
		err = fmt.Errorf("more than %d bytes", maxNewsBytes)
	case err == nil && !r.seen["revoked"]:
		err = errors.New("no member revoked")
	case err == nil && r.news.next == "":
		err = errors.New("no member next")
	}
	if err != nil {
		return news{}, fmt.Errorf("answer of the feed: %w", err)
	}
	if len(r.news.next) > maxCursor {
		r.news.next = "" // it would not be read: ask for everything instead
	}
	return r.news, nil
}

type newsReader struct {
	in   *json.Decoder
	seen map[string]bool // members, by name
	news news
}

func (r *newsReader) object() error {
	if err := r.delim('{'); err != nil {
		return err
	}
	for r.in.More() {
		if err := r.member(); err != nil {
			return err
		}
	}
	if err := r.delim('}'); err != nil {
		return err
	}
	if _, err := r.in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON object")
	}
	return nil
}

func (r *newsReader) delim(want json.Delim) error {
	got, err := r.in.Token()
	if err == nil && got != want {
		err = fmt.Errorf("got %v, want %v", got, want)
	}
	return err
}

func (r *newsReader) member() error {
	name, err := r.in.Token()
	if err != nil {
		return err
	}
	key, _ := name.(string) // the decoder takes nothing else for a name
	if r.seen[key] {
		return fmt.Errorf("member %q stands twice", key)
	}
	r.seen[key] = true
	switch key {
	case "revoked":
		return r.entries()
	case "next":
		return r.in.Decode(&r.news.next)
	case "reset":
		return r.in.Decode(&r.news.reset)
	}
	var ignored json.RawMessage
	return r.in.Decode(&ignored)
}

func (r *newsReader) entries() error {
	if err := r.delim('['); err != nil {
		return err
	}
	for r.in.More() {
		var raw json.RawMessage
		if err := r.in.Decode(&raw); err != nil {
			return err
		}
		entry, known, err := readEntry(raw)
		switch {
		case err != nil:
			return fmt.Errorf("entry %d: %w", len(r.news.revoked)+r.news.unknown, err)
		case known:
			r.news.revoked = append(r.news.revoked, entry)
		default:
			r.news.unknown++
		}
	}
	return r.delim(']')
}

// readEntry does not know entries with none of our kinds, or with several: what those mean is for a later version to
// say.
func readEntry(raw []byte) (entry revocation, known bool, err error) {
	members, err := oauth.DecodeClaims(raw)
	if err != nil {
		return revocation{}, false, err
	}
	named := 0
	for kind, name := range kinds {
		if value, ok := members[name]; ok {
			named++
			entry.kind = kind
			entry.id, _ = value.(string)
		}
	}
	if named != 1 {
		return revocation{}, false, nil
	}
	entry.id = strings.Clone(entry.id) // a part of the entry's text, it would keep all of it
	if entry.id == "" {
		return revocation{}, false, fmt.Errorf("%s is not a non-empty string", kinds[entry.kind])
	}
	entry.mark, err = readMark(members)
	return entry, err == nil, err
}

func readMark(members map[string]any) (mark, error) {
	exp, err := oauth.NumericDate(members["exp"])
	if err != nil {
		return mark{}, fmt.Errorf("exp is %w", err)
	}
	value, ok := members["before"]
	if !ok {
		return mark{always, roundUp(exp)}, nil
	}
	before, err := oauth.NumericDate(value)
	if err != nil {
		return mark{}, fmt.Errorf("before is %w", err)
	}
	return mark{roundUp(before), roundUp(exp)}, nil
}

func roundUp(t time.Time) int64 { return t.Add(time.Second - time.Nanosecond).Unix() }
