package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/oauth"
)

// logBuffer keeps what is logged at any level.
type logBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// one returns the only line, and empties the buffer.
func (b *logBuffer) one(t *testing.T) map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.out.String()
	b.out.Reset()
	if strings.Count(text, "\n") != 1 {
		t.Fatalf("want one line, got %q", text)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	return line
}

func TestLogLine(t *testing.T) {
	t.Parallel()
	const id = "AAAAAAAAAAAAAAAAAAAAAA"
	tests := []struct {
		name string
		body string // of a revocation
		want map[string]any
	}{
		{"success", "token=rt&client_id=app", map[string]any{
			"level": "INFO", "status": 200.0, "client_id": "app",
		}},
		{"a client that only claims to be one is not named", "token=rt&client_id=shop", map[string]any{
			"level": "INFO", "status": 401.0, "error": "invalid_client", "error_id": id, "rule": "confidential client sent no secret",
		}},
		{"the rule that failed is for the log", "token=dead&client_id=app", map[string]any{
			"level": "INFO", "status": 400.0, "client_id": "app", "error": "invalid_grant", "error_id": id, "rule": "family revoked",
		}},
		{"storage", "token=storage&client_id=app", map[string]any{
			"level": "WARN", "status": 503.0, "client_id": "app", "error": "temporarily_unavailable", "error_id": id, "err": errStorage.Error(),
		}},
		{"an unforeseen error, on one line", "token=bug&client_id=app", map[string]any{
			"level": "ERROR", "status": 500.0, "client_id": "app", "error": "server_error", "error_id": id,
			"err": "sign token: key 7 \"has\" no prime��[31mlevel=INFO msg=faked",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			cfg := config(services{})
			cfg.Logger = log.logger()

			postForm(newServer(t, cfg).Handler(), "/oauth2/revoke?token=in-the-query", tt.body)

			tt.want["msg"], tt.want["request_id"], tt.want["method"] = "request", id, "POST"
			tt.want["route"], tt.want["duration"] = "/oauth2/revoke", 0.0
			if diff := cmp.Diff(tt.want, log.one(t)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// M-10: the canaries are in requests that go well and in ones that do not.
func TestLogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	var log logBuffer
	cfg := config(services{})
	cfg.Logger = log.logger()
	h := newServer(t, cfg).Handler()
	const form = "grant_type=refresh_token&client_id=app"

	postForm(h, "/oauth2/token?code=canary1", form+"&refresh_token=canary2")
	postForm(h, "/oauth2/token", form+"&client_secret=canary3")
	post(h, "/oauth2/token", formType, "grant_type=canary4", "Authorization", "Basic Y2FuYXJ5OmNhbmFyeQ==", "X-Request-Id", "canary5")
	post(h, "/account/login", "application/json", `{"client_id":"app","username":"canary6","password":"canary7"}`)
	post(h, "/account/login", "application/json", `{"client_id":"app","username":"mallory","password":"canary8"}`)
	post(h, "/account/logout", "", "", "Authorization", "Bearer canary9", "User-Agent", "canary10", "Cookie", "a=canary11")
	postForm(h, "/canary12", "")

	if strings.Contains(log.out.String(), "canary") {
		t.Errorf("the log repeats the request:\n%s", log.out.String())
	}
}

// K-03, M-09, M-17: a panic tells where it was, and nothing of what it was about.
func TestPanicInTheLog(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, token, want string }{
		{"a value may be a secret", "panic", "panic: string"},
		{"a fault of the runtime is none", "nil", "panic: runtime error: invalid memory address or nil pointer dereference"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			cfg := config(services{})
			cfg.Logger = log.logger()

			w := postForm(newServer(t, cfg).Handler(), "/oauth2/revoke", "token="+tt.token+"&client_id=app")

			line := log.one(t)
			if w.Code != http.StatusInternalServerError || line["level"] != "ERROR" || line["err"] != tt.want {
				t.Errorf("got %d, %v", w.Code, line)
			}
			stack, _ := json.Marshal(line["stack"])
			if !strings.Contains(string(stack), "web.fault:") || strings.Contains(string(stack), "hunter2") {
				t.Errorf("stack: %s", stack)
			}
		})
	}
}

// Half an answer must not look like a whole one: the connection ends.
func TestErrorAfterTheAnswerBegan(t *testing.T) {
	t.Parallel()
	s := newServer(t, config(services{}))
	h := s.observe(s.handle(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, `{"access_token":`)
		return errors.New("encode")
	}))
	w := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", v)
		}
		if w.Body.String() != `{"access_token":` {
			t.Errorf("body %q has two answers", w.Body)
		}
	}()

	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
}

func TestAbortIsNetHTTPsBusiness(t *testing.T) {
	t.Parallel()
	s := newServer(t, config(services{}))
	h := s.observe(s.handle(func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }))
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", v)
		}
	}()

	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestOnRequest(t *testing.T) {
	t.Parallel()
	var got []RequestInfo
	cfg := config(services{})
	now := time.Unix(0, 0)
	cfg.Now = func() time.Time { now = now.Add(time.Millisecond); return now }
	cfg.OnRequest = func(_ context.Context, r RequestInfo) { got = append(got, r) }
	h := newServer(t, cfg).Handler()

	postForm(h, "/oauth2/revoke", "token=rt&client_id=app")
	postForm(h, "/oauth2/token", "grant_type=x&client_id=app")
	send(h, "BREW", "/coffee?token=x")
	send(h, "OPTIONS", "/account/login")

	want := []RequestInfo{
		{"/oauth2/revoke", "POST", 200, time.Millisecond, ""},
		{"/oauth2/token", "POST", 400, time.Millisecond, "unsupported_grant_type"},
		{"none", "other", 404, time.Millisecond, "not_found"},
		{"/account/login", "OPTIONS", 204, time.Millisecond, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRequestIDIsOurs(t *testing.T) {
	t.Parallel()
	cfg := config(services{})
	cfg.Random = strings.NewReader(strings.Repeat("r", 32))
	h := newServer(t, cfg).Handler()
	for _, want := range []string{"cnJycnJycnJycnJycnJycg", "cnJycnJycnJycnJycnJycg", "none"} {
		w := post(h, "/oauth2/token", formType, "", "X-Request-Id", "theirs")

		if got := w.Header().Get("X-Request-Id"); got != want || !strings.Contains(w.Body.String(), `"error_id":"`+want+`"`) {
			t.Errorf("got %q and %s, want %q", got, w.Body, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"text is kept", "größe <b>", "größe <b>"},
		{"line ends, escapes and separators", "a\r\n\x1b\x00\u2028b", "a�����b"},
		{"no UTF-8", "a\xffb", "a�b"},
		{"long", strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<10) + "…"},
		{"cut within a character", strings.Repeat("a", 1<<10-1) + "ö", strings.Repeat("a", 1<<10-1) + "�…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tt.want, clean(tt.in)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E, whatever somebody writes in a refusal.
func TestDescriptionCharacters(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()

	writeRefusal(w, oauth.Errorf(oauth.InvalidRequest, "a\"b\\c\nd\x7fe\u00e9 f!~"), "id")

	if want := `{"error":"invalid_request","error_description":"abcde f!~","error_id":"id"}` + "\n"; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "1", 1: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60"} {
		if got := retryAfter(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
