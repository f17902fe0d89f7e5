package rs_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// feedNet is the way to authdtest's issuer, without sockets. It takes every client for the one that is registered.
type feedNet struct {
	*authdtest.Issuer
	began time.Time

	mu       sync.Mutex
	metadata string // in place of the issuer's
	noWait   bool   // an issuer that knows nothing of RFC 7240
	// handle, if set, answers in place of the feed, unless it returns nothing.
	handle func(*http.Request) (*http.Response, error)
	asked  []question
}

// question is a request to the feed or to introspection.
type question struct {
	at                  time.Duration // since began
	after, prefer, auth string
	body                string
}

const feedMetadata = `{"issuer":"` + testIssuer + `","jwks_uri":"` + testIssuer + `/jwks.json",` +
	`"introspection_endpoint":"` + testIssuer + `/oauth2/introspect",` +
	`"authd_revocations_endpoint":"` + testIssuer + `/oauth2/revocations"}`

func newFeedNet() *feedNet {
	return &feedNet{Issuer: authdtest.Start(authdtest.InMemory(testIssuer)), began: time.Now()}
}

func (n *feedNet) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.metadata != "" && strings.HasPrefix(r.URL.Path, "/.well-known/") {
		return reply(http.StatusOK, n.metadata), nil
	}
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		return n.Client().Transport.RoundTrip(r)
	}
	handle := n.record(r)
	if handle != nil {
		if resp, err := handle(r); resp != nil || err != nil {
			return resp, err
		}
	}
	return n.pass(r)
}

func (n *feedNet) record(r *http.Request) func(*http.Request) (*http.Response, error) {
	q := question{after: r.URL.Query().Get("after"), prefer: r.Header.Get("Prefer"), auth: r.Header.Get("Authorization")}
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		q.body = string(body)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	q.at = time.Since(n.began)
	n.asked = append(n.asked, q)
	return n.handle
}

// pass lets the issuer answer.
func (n *feedNet) pass(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(n.ClientID, n.ClientSecret)
	if n.noWait {
		r.Header.Del("Prefer")
	}
	return n.Client().Transport.RoundTrip(r)
}

// next is the cursor that the issuer gives out.
func (n *feedNet) next() string {
	r := httptest.NewRequest(http.MethodGet, testIssuer+authdtest.RevocationsPath, nil)
	r.SetBasicAuth(n.ClientID, n.ClientSecret)
	w := httptest.NewRecorder()
	n.Serve(w, r)
	var page struct{ Next string }
	_ = json.Unmarshal(w.Body.Bytes(), &page)
	return page.Next
}

func page(next string, reset bool, entries ...string) string {
	quoted, _ := json.Marshal(next)
	return `{"revoked":[` + strings.Join(entries, ",") + `],"next":` + string(quoted) + `,"reset":` + strconv.FormatBool(reset) + `}`
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// revoke is news. An entry may be several, with commas.
func (n *feedNet) revoke(entries ...string) {
	var all []json.RawMessage
	if err := json.Unmarshal([]byte("["+strings.Join(entries, ",")+"]"), &all); err != nil {
		panic(err)
	}
	for _, e := range all {
		n.AddToFeed(string(e))
	}
}

// with lets h answer from now on; nil for the feed itself.
func (n *feedNet) with(h func(*http.Request) (*http.Response, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handle = h
}

func (n *feedNet) answer(status int, body string, header ...string) {
	n.with(func(*http.Request) (*http.Response, error) { return reply(status, body, header...), nil })
}

var errUnplugged = errors.New("connection refused")

func (n *feedNet) unplug() {
	n.with(func(*http.Request) (*http.Response, error) { return nil, errUnplugged })
}

func (n *feedNet) questions() []question {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]question(nil), n.asked...)
}

func (n *feedNet) feedConfig(log io.Writer) rs.FeedConfig {
	return rs.FeedConfig{
		Issuer: testIssuer, ClientID: "api", ClientSecret: "s", OnStale: rs.Refuse,
		HTTPClient: &http.Client{Transport: n}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// inFeedBubble opens a feed in fake time, which begins in the year 2000. change may be nil.
func inFeedBubble(t *testing.T, change func(*rs.FeedConfig, *feedNet), test func(t *testing.T, f *rs.Feed, n *feedNet, log *logBuffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n, log := newFeedNet(), new(logBuffer)
		cfg := n.feedConfig(log)
		if change != nil {
			change(&cfg, n)
		}
		f, err := rs.NewFeed(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		synctest.Wait()
		test(t, f, n, log)
	})
}

// pass lets fake time pass, and what happens then settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// entry is one of the feed, in raw JSON, whose tokens live an hour from now. iat is in seconds from now; "" for none.
func entry(kind, id string, before ...time.Duration) string {
	s := `{"` + kind + `":"` + id + `","exp":` + unix(time.Hour)
	for _, b := range before {
		s += `,"before":` + unix(b)
	}
	return s + "}"
}

func unix(fromNow time.Duration) string { return strconv.FormatInt(time.Now().Add(fromNow).Unix(), 10) }

// living is a verified token that was issued a second ago.
func living() *rs.Token {
	return &rs.Token{
		Issuer: testIssuer, Subject: "usr_1", ClientID: "shop", ID: "j-1", SessionID: "f-1", Kid: "k-at",
		IssuedAt: time.Now().Add(-time.Second).Truncate(time.Second), ExpiresAt: time.Now().Add(10 * time.Minute),
	}
}

// wantVerdict checks what f says of a token: "accepted", "revoked" or "unavailable".
func wantVerdict(t *testing.T, c rs.Checker, tok *rs.Token, want string) {
	t.Helper()
	got := "accepted"
	switch revoked, err := c.Revoked(t.Context(), tok); {
	case err != nil:
		got = "unavailable"
	case revoked:
		got = "revoked"
	}
	if got != want {
		t.Errorf("token is %s, want %s", got, want)
	}
}

// drip is a body that does not come until the request is given up.
type drip struct{ ctx context.Context }

func (d drip) Read([]byte) (int, error) { <-d.ctx.Done(); return 0, d.ctx.Err() }
func (d drip) Close() error             { return nil }
