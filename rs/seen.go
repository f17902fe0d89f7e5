package rs

import (
	"crypto/rsa"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	// maxSeenBytes bounds the memory of seenTokens: some 4,000 tokens of the usual size.
	maxSeenBytes = 16 << 20
	// seenTurn is how long a token stays at least that nobody asks about; twice that is the most while others come.
	seenTurn = 10 * time.Minute
)

// verified is a token whose signature held and whose claims could be read. Nothing of it changes.
type verified struct {
	raw       string
	token     Token // without Source, Expired and state
	notBefore time.Time
	audience  [1]string      // of a token with one, as most have
	key       *rsa.PublicKey // that the signature held with
	size      int            // bytes of memory, rather too many
	isNested  bool           // a claim is an array or an object
}

// tokenOf makes the Token of one question: what its readers do to it must not reach another request.
func (d *verified) tokenOf(found credential, s state) *Token {
	own := &struct { // one allocation
		t     Token
		s     state
		found credential
		texts [4]string
	}{t: d.token, s: s, found: found}
	t := &own.t
	t.state, own.s.credential = &own.s, &own.found
	texts := append(append(own.texts[:0], t.Scopes...), t.Audience...)
	scopes := len(t.Scopes)
	t.Scopes, t.Audience = texts[:scopes:scopes], texts[scopes:len(texts):len(texts)]
	if d.isNested {
		t.Claims = copyObject(t.Claims)
	} else {
		t.Claims = maps.Clone(t.Claims)
	}
	return t
}

func copyObject(object map[string]any) map[string]any {
	c := make(map[string]any, len(object))
	for name, value := range object {
		c[name] = copyValue(value)
	}
	return c
}

func copyValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return copyObject(v)
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = copyValue(v[i])
		}
		return c
	}
	return value
}

// Upper bounds of what the runtime allocates, in bytes.
const (
	sizeOfVerified = 1200 // with its place in a map and the boxes of its claims
	sizeOfMap      = 350
	sizeOfMember   = 100
)

// measure sets what can be known of d only once its claims are.
func (d *verified) measure() {
	d.size = sizeOfVerified + 2*len(d.raw) + 16*(len(d.token.Scopes)+len(d.token.Audience)) + sizeOf(d.token.Claims)
	for _, value := range d.token.Claims {
		switch value.(type) {
		case []any, map[string]any:
			d.isNested = true
		}
	}
}

func sizeOf(value any) int {
	switch v := value.(type) {
	case string:
		return 16 + len(v)
	case json.Number:
		return 16 + len(v)
	case []any:
		size := 24
		for _, element := range v {
			size += 2*16 + sizeOf(element)
		}
		return size
	case map[string]any:
		size := sizeOfMap
		for name, element := range v {
			size += sizeOfMember + len(name) + sizeOf(element)
		}
		return size
	}
	return 0
}

// seenTokens remembers verified tokens, so that a client's second request costs no signature. Whoever finds one has
// still to see that its key is good, to judge its times and to ask for its revocation. Only good tokens get in. Those
// not asked about for a turn are dropped: all are put into young, found in old they are moved back, and old is
// forgotten when young is full or a turn is over.
type seenTokens struct {
	mu         sync.RWMutex
	young, old map[string]*verified
	size       int // of young
	turnedAt   time.Time
}

// get returns nil for a token that is not remembered.
func (s *seenTokens) get(raw string, now func() time.Time) *verified {
	if len(raw) > oauth.MaxTokenBytes {
		return nil
	}
	s.mu.RLock()
	d, young := s.young[raw]
	if !young {
		d = s.old[raw]
	}
	s.mu.RUnlock()
	if d != nil && !young {
		s.put(d, now())
	}
	return d
}

func (s *seenTokens) has(raw string) bool {
	if len(raw) > oauth.MaxTokenBytes {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.young[raw] != nil || s.old[raw] != nil
}

func (s *seenTokens) put(d *verified, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || s.size+d.size > maxSeenBytes/2 || now.Sub(s.turnedAt) >= seenTurn {
		s.young, s.old = make(map[string]*verified), s.young
		s.size, s.turnedAt = 0, now
	}
	delete(s.old, d.raw)
	count := len(s.young)
	s.young[d.raw] = d
	if len(s.young) > count { // else somebody was faster, with the same
		s.size += d.size
	}
}

// drop forgets d, unless another has taken its place.
func (s *seenTokens) drop(d *verified) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young[d.raw] == d {
		delete(s.young, d.raw)
		s.size -= d.size
	}
	if s.old[d.raw] == d {
		delete(s.old, d.raw)
	}
}
