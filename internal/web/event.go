package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// RequestInfo tells of a request after its answer. Nothing in it is free text of the
// client, so that all of it can be a metric's label.
type RequestInfo struct {
	Route    string // the pattern, "none" where nothing matched
	Method   string // "other" for what HTTP does not define
	Status   int
	Duration time.Duration
	Error    string // the code of the refusal; "" for a success
}

// event collects what the log line of a request says.
type event struct {
	id       string
	route    string
	clientID string       // once it is authenticated
	refusal  *oauth.Error // nil for a success
	err      error        // what the refusal was made of
	status   int          // 0 until the header is written
	quiet    bool         // a probe, which comes every few seconds
}

type eventKey struct{}

// eventOf never returns nil: every request passes [Server.observe].
func eventOf(ctx context.Context) *event { return ctx.Value(eventKey{}).(*event) }

// observe gives each request an id and a log line. The id is ours: one that the client
// chose would let it write into the log, or hide behind the id of another.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.cfg.Now()
		ev := &event{id: s.newID(r.Context()), route: "none"}
		r = r.WithContext(context.WithValue(r.Context(), eventKey{}, ev))
		defer func() { s.finish(r, ev, s.cfg.Now().Sub(start)) }()
		setHeaders(w.Header(), ev.id)
		next.ServeHTTP(&response{w, ev}, r)
	})
}

// newID makes the request's id, which is also the error_id of its refusal.
func (s *Server) newID(ctx context.Context) string {
	id, err := oauth.NewJTI(s.cfg.Random)
	if err != nil {
		s.cfg.Logger.ErrorContext(ctx, "request without an id", "err", err)
		return "none"
	}
	return id
}

// response notes the status.
type response struct {
	http.ResponseWriter
	ev *event
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if w.ev.status == 0 {
		w.ev.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *response) Write(b []byte) (int, error) {
	if w.ev.status == 0 {
		w.ev.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap serves [http.ResponseController].
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *Server) finish(r *http.Request, ev *event, took time.Duration) {
	if ev.status == 0 { // net/http says so for a handler that writes nothing
		ev.status = http.StatusOK
	}
	info := RequestInfo{Route: ev.route, Method: knownMethod(r.Method), Status: ev.status, Duration: took}
	if ev.refusal != nil {
		info.Error = string(ev.refusal.Code)
	}
	// The request's context may be over; that a log handler cares is not worth a lost line.
	ctx := context.WithoutCancel(r.Context())
	if level := ev.level(); s.cfg.Logger.Enabled(ctx, level) {
		s.cfg.Logger.LogAttrs(ctx, level, "request", ev.attrs(info)...)
	}
	s.cfg.OnRequest(ctx, info)
}

func (ev *event) attrs(info RequestInfo) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 12),
		slog.String("request_id", ev.id),
		slog.String("method", info.Method),
		slog.String("route", info.Route),
		slog.Int("status", info.Status),
		slog.Duration("duration", info.Duration))
	if ev.clientID != "" {
		attrs = append(attrs, slog.String("client_id", clean(ev.clientID)))
	}
	if ev.refusal != nil {
		attrs = append(attrs, ev.failure()...)
	}
	return attrs
}

// level: whoever runs authd has to look at a 500, and at many 503.
func (ev *event) level() slog.Level {
	switch {
	case ev.status == http.StatusServiceUnavailable:
		return slog.LevelWarn
	case ev.status >= http.StatusInternalServerError:
		return slog.LevelError
	case ev.quiet:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// failure is what the client is not told: the rule that failed, and the fault behind.
func (ev *event) failure() []slog.Attr {
	attrs := []slog.Attr{slog.String("error", string(ev.refusal.Code)), slog.String("error_id", ev.id)}
	if ev.refusal.Rule != "" {
		attrs = append(attrs, slog.String("rule", clean(ev.refusal.Rule)))
	}
	if ev.err != error(ev.refusal) {
		attrs = append(attrs, slog.String("err", clean(ev.err.Error())))
	}
	if p, ok := errors.AsType[*panicError](ev.err); ok {
		attrs = append(attrs, slog.Any("stack", p.stack))
	}
	return attrs
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return m
	}
	return "other"
}

const maxLogged = 1 << 10

// clean keeps what came from outside on one line, and the line short, whatever the host's
// log handler does about escaping.
func clean(s string) string {
	if len(s) > maxLogged {
		s = s[:maxLogged] + "…"
	}
	if oauth.IsText(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if oauth.IsText(string(r)) {
			return r
		}
		return '\uFFFD'
	}, s)
}
