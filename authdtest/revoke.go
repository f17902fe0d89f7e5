package authdtest

import (
	"encoding/json"
	"math"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// entry is one of the revocation feed, as it is sent.
type entry struct {
	FamilyID string `json:"sid,omitempty"`
	ID       string `json:"jti,omitempty"`
	Subject  string `json:"sub,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	KID      string `json:"kid,omitempty"`
	Before   int64  `json:"before,omitempty"`
	Expiry   int64  `json:"exp"`

	audiences []string        // that hear of it; nil for all
	raw       json.RawMessage // in place of all this
}

// MarshalJSON implements [json.Marshaler].
func (e entry) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	type members entry
	return json.Marshal(members(e))
}

// clockMargin is how long after its tokens an entry is told of: verifiers' clocks may be off.
const clockMargin = 2 * time.Minute

// Revoke ends one access token, as POST /oauth2/revoke does.
func (i *Issuer) Revoke(token string) {
	claims := claimsOf(token)
	jti, _ := claims["jti"].(string)
	if jti == "" {
		panic("authdtest: Revoke: the token has no jti")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tell(entry{ID: jti, audiences: audiencesOf(claims)})
}

// RevokeSession ends a token family, as a sign-out does.
func (i *Issuer) RevokeSession(sid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tell(entry{FamilyID: sid})
}

// RevokeSubject ends all tokens that a subject has, as a change of the password does. Those that are issued later are
// good: their iat is at least the next second.
func (i *Issuer) RevokeSubject(sub string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tell(entry{Subject: sub, Before: i.end("sub", sub)})
}

// RevokeClient ends all tokens that a client was given, likewise.
func (i *Issuer) RevokeClient(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tell(entry{ClientID: id, Before: i.end("client_id", id)})
}

// end returns the least iat of tokens that live.
func (i *Issuer) end(claim, value string) int64 {
	next := i.now().Unix() + 1
	i.ended[claim+" "+value] = next
	return next
}

// outliveRevocation dates a token that is issued in the second in which others of its subject or client were ended to
// the next one.
func (i *Issuer) outliveRevocation(d *draft) {
	if d.claims["iat"] != d.now.Unix() {
		return
	}
	for _, claim := range []string{"sub", "client_id"} {
		value, _ := d.claims[claim].(string)
		if least := i.ended[claim+" "+value]; d.now.Unix() < least {
			d.claims["iat"], d.claims["nbf"] = least, least
		}
	}
}

// tell is news. The entry outlives every token of the issuer.
func (i *Issuer) tell(e entry) {
	last := i.now().Add(time.Hour) // the longest that a server's tokens live
	if i.longest.After(last) {
		last = i.longest
	}
	e.Expiry = last.Add(clockMargin).Unix()
	i.add(e)
}

func (i *Issuer) add(e entry) {
	i.feed = append(i.feed, e)
	close(i.news)
	i.news = make(chan struct{})
}

// AddToFeed puts an entry, which must be JSON, into the feed as it is, for ever: one of a kind that does not exist yet,
// for instance. Introspection does not know of it.
func (i *Issuer) AddToFeed(raw string) {
	if !json.Valid([]byte(raw)) {
		panic("authdtest: AddToFeed: the entry is no JSON")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.add(entry{raw: json.RawMessage(raw), Expiry: math.MaxInt64})
}

// RestoreFeed begins the feed anew, without an entry: the cursors that were given out mean nothing any more, as after
// the restore of a backup.
func (i *Issuer) RestoreFeed() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.feed, i.origin = nil, newID()
}

// kills reports whether the entry ends a token.
func (e entry) kills(kid string, claims map[string]any) bool {
	names := func(claim, value string) bool { return value != "" && claims[claim] == value }
	switch {
	case e.KID != "":
		return e.KID == kid
	case names("jti", e.ID), names("sid", e.FamilyID):
		return true
	case names("sub", e.Subject), names("client_id", e.ClientID):
		iat, err := oauth.NumericDate(claims["iat"])
		return err != nil || iat.Unix() < e.Before
	}
	return false
}

// claimsOf reads a token of this package's without checking it.
func claimsOf(token string) map[string]any {
	c, err := oauth.ParseCompact(token)
	if err != nil {
		panic("authdtest: " + err.Error())
	}
	claims, err := oauth.DecodeClaims(c.Payload)
	if err != nil {
		panic("authdtest: " + err.Error())
	}
	return claims
}

// audiencesOf takes a string or an array (RFC 7519 §4.1.3).
func audiencesOf(claims map[string]any) []string {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, a := range aud {
			if s, ok := a.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}
