package authdtest

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// maxWait is the most that Prefer: wait is granted.
const maxWait = 30 * time.Second

// page answers one question to the feed.
type page struct {
	Revoked []entry `json:"revoked"`
	Next    string  `json:"next"`
	Reset   bool    `json:"reset,omitempty"`
}

// serveRevocations serves GET /oauth2/revocations, with news at once to those who wait.
func (i *Issuer) serveRevocations(w http.ResponseWriter, r *http.Request) {
	_, caller, ok := i.authenticate(w, r)
	if !ok {
		return
	}
	after := r.URL.Query()["after"]
	if len(after) > 1 {
		refuse(w, oauth.Errorf(oauth.InvalidRequest, "after stands twice"))
		return
	}
	wait, asked := preferredWait(r.Header.Get("Prefer"))
	if asked {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second))) // RFC 7240 §3
	}
	writeJSON(w, http.StatusOK, i.newsFor(r, strings.Join(after, ""), caller, wait))
}

func (i *Issuer) newsFor(r *http.Request, cursor string, caller client, wait time.Duration) page {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		p, news := i.since(cursor, caller)
		if wait <= 0 || cursor == "" || p.Reset || len(p.Revoked) > 0 {
			return p
		}
		if !i.wait(r, news, timeout.C) {
			return page{Revoked: []entry{}, Next: cursor}
		}
	}
}

// since also returns what is closed at the next entry.
func (i *Issuer) since(cursor string, caller client) (p page, news <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	seen, known := i.parseCursor(cursor)
	p = page{Revoked: []entry{}, Next: i.cursor(len(i.feed)), Reset: cursor != "" && !known}
	for _, e := range i.feed[seen:] {
		if i.now().Unix() < e.Expiry && (e.audiences == nil || concerns(e.audiences, caller)) {
			p.Revoked = append(p.Revoked, e)
		}
	}
	return p, i.news
}

func (i *Issuer) cursor(seen int) string {
	return base64url([]byte(i.origin + "~" + strconv.Itoa(seen)))
}

// parseCursor knows the issuer's own alone; of any other nothing is seen.
func (i *Issuer) parseCursor(cursor string) (seen int, known bool) {
	b, _ := base64.RawURLEncoding.DecodeString(cursor)
	origin, number, _ := strings.Cut(string(b), "~")
	seen, err := strconv.Atoi(number)
	if origin != i.origin || err != nil || seen < 0 || seen > len(i.feed) {
		return 0, false
	}
	return seen, true
}

// preferredWait reads the preference wait (RFC 7240 §4.3), in seconds.
func preferredWait(header string) (wait time.Duration, asked bool) {
	seconds, ok := strings.CutPrefix(header, "wait=")
	n, err := strconv.ParseUint(seconds, 10, 31)
	if !ok || err != nil {
		return 0, false
	}
	return min(time.Duration(n)*time.Second, maxWait), true
}
