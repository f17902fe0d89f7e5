package authd_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/keys/keystest"
)

// harness is a server over a database of its own, called over HTTP.
type harness struct {
	t      *testing.T
	pool   *pgxpool.Pool
	server *authd.Server
	http   *httptest.Server
	log    *lockedBuffer

	mu     sync.Mutex
	events []authd.Event
}

// lockedBuffer takes the log lines of many requests.
type lockedBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written sync.Cond
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.written.Broadcast()
	return b.b.Write(p)
}

// await returns when text was written.
func (b *lockedBuffer) await(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.written.L = &b.mu; !strings.Contains(b.b.String(), text); {
		b.written.Wait()
	}
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newHarness(t *testing.T, change func(*authd.Config)) *harness {
	t.Helper()
	return newHarnessOn(t, keystest.Pool(t), change)
}

func newHarnessOn(t *testing.T, pool *pgxpool.Pool, change func(*authd.Config)) *harness {
	t.Helper()
	h := &harness{t: t, pool: pool, log: new(lockedBuffer)}
	h.http = httptest.NewUnstartedServer(nil)
	cfg := authd.Config{
		Issuer: "http://" + h.http.Listener.Addr().String(), DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kek(t)}, Accounts: true,
		Logger: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnEvent: func(_ context.Context, e authd.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
		},
	}
	if change != nil {
		change(&cfg)
	}
	srv, err := authd.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	h.server = srv
	h.http.Config = authd.HTTPServer(srv.Handler())
	h.http.Start()
	t.Cleanup(h.http.Close)
	return h
}

func kek(t *testing.T) authd.Secret {
	t.Helper()
	s, err := authd.ParseSecret(keystest.KEK)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client registers c and returns its secret.
func (h *harness) client(c authd.Client) string {
	h.t.Helper()
	_, secret, err := h.server.CreateClient(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	return secret
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (h *harness) do(req *http.Request) answer {
	h.t.Helper()
	res, err := h.http.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // an empty body stays nil
	return a
}

func (h *harness) request(method, path, contentType, body string) *http.Request {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.http.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

// form posts pairs of names and values, as the client with id and secret; "" for none.
func (h *harness) form(path, id, secret string, pairs ...string) answer {
	h.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	req := h.request(http.MethodPost, path, "application/x-www-form-urlencoded", v.Encode())
	if id != "" {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	return h.do(req)
}

func (h *harness) json(path, body string) answer {
	h.t.Helper()
	return h.do(h.request(http.MethodPost, path, "application/json", body))
}

// want fails the test unless the answer has the status and the error code, "" for none.
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	got, _ := a.body["error"].(string)
	if a.status != status || got != code {
		t.Fatalf("got %d %s, want %d %s", a.status, a.raw, status, code)
	}
	return a
}

func (a answer) str(name string) string { s, _ := a.body[name].(string); return s }

func (h *harness) introspect(secret, token string) bool {
	h.t.Helper()
	a := h.form("/oauth2/introspect", "api", secret, "token", token).want(h.t, 200, "")
	return a.body["active"] == true
}

// told are the events so far.
func (h *harness) told() []authd.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// claim reads the access token of an answer without checking it.
func claim(t *testing.T, a answer, name string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(a.str("access_token"), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	s, _ := c[name].(string)
	return s
}

const password = "correct horse battery staple"
