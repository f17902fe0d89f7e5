package rs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// IntrospectionConfig configures [NewIntrospection]. Issuer, ClientID and ClientSecret are required.
type IntrospectionConfig struct {
	// Issuer is that of the tokens, as in Config.Issuer. Its metadata names the introspection endpoint.
	Issuer string
	// ClientID and ClientSecret are those of a client that the issuer has registered as a resource server with this
	// server's audience: about other audiences' tokens it is told that they are not active.
	ClientID, ClientSecret string

	// CacheFor is how long a token that was active is accepted without being asked about again, and so how long one
	// that was revoked may still be accepted. Default 0: every token is asked about every time. At most 1 min.
	CacheFor time.Duration

	// HTTPClient asks the issuer. Whatever it allows, an answer may take 5 s and 1 MiB, and redirects stay on the
	// same scheme and host. Default: a client of its own, closed by [Introspection.Close].
	HTTPClient *http.Client
	// Logger is told when the issuer refuses the client. Default [slog.Default].
	Logger *slog.Logger
	// Now is the clock of the cache. Default [time.Now].
	Now func() time.Time
}

const maxCacheFor = time.Minute

func (c IntrospectionConfig) withDefaults() IntrospectionConfig {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c IntrospectionConfig) caller() caller {
	return caller{c.Issuer, c.ClientID, c.ClientSecret, c.HTTPClient, c.Now}
}

func (c IntrospectionConfig) validate() error {
	if err := c.caller().validate("IntrospectionConfig"); err != nil {
		return err
	}
	if c.CacheFor < 0 || c.CacheFor > maxCacheFor {
		return fmt.Errorf("rs: IntrospectionConfig.CacheFor is %v, want 0 to %v", c.CacheFor, maxCacheFor)
	}
	return nil
}

// Introspection is a [Checker] that asks the issuer about each token (RFC 7662): exact, for a question per request. Once
// the issuer has acknowledged a revocation, no check that begins later accepts the token, but for CacheFor. While
// the issuer cannot be reached, tokens are refused with [ErrUnavailable]. It is safe for concurrent use.
type Introspection struct {
	cfg IntrospectionConfig
	at  *endpoint

	ctx     context.Context // of questions, which outlive the request that asked them
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	flights  map[tokenKey]*flight
	active   map[tokenKey]time.Time // until when an answer counts; with CacheFor alone
	sweptAt  time.Time
	loggedAt time.Time
	closed   bool
}

var _ Checker = (*Introspection)(nil)

// tokenKey stands for a token, so that none is kept.
type tokenKey [sha256.Size]byte

// inquiry is one question. revoked and err are for readers of the closed done.
type inquiry struct {
	done    chan struct{}
	revoked bool
	err     error
}

// flight is what is asked about one token. Who comes while a question is under way shares the next one: the answer of
// the current one may have been found before a revocation that the newcomer must see.
type flight struct{ current, queued *inquiry }

// NewIntrospection finds the introspection endpoint in the issuer's metadata. An issuer that has none or cannot be
// reached is an error.
func NewIntrospection(ctx context.Context, cfg IntrospectionConfig) (*Introspection, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	at, err := openEndpoint(ctx, cfg.caller(), "introspection_endpoint")
	if err != nil {
		return nil, fmt.Errorf("rs: %w", err)
	}
	i := &Introspection{
		cfg: cfg, at: at, sweptAt: cfg.Now(),
		flights: make(map[tokenKey]*flight), active: make(map[tokenKey]time.Time),
	}
	i.ctx, i.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return i, nil
}

// Close ends the questions under way and waits for them. Afterwards tokens are refused with [ErrUnavailable]. It may be
// called more than once.
func (i *Introspection) Close() error {
	i.mu.Lock()
	i.closed = true // nothing is added to running from here on
	i.mu.Unlock()
	i.cancel()
	i.running.Wait()
	i.at.closeIdle()
	return nil
}

// Revoked implements [Checker]. It takes tokens of [Verifier] alone, since it needs their text. A token that the
// issuer calls inactive is revoked. One question at a time is asked about a token, however many callers there are.
func (i *Introspection) Revoked(ctx context.Context, t *Token) (bool, error) {
	switch {
	case i == nil:
		return false, errNoChecker
	case t.Issuer != i.cfg.Issuer:
		return false, errForeign
	case t.state == nil:
		return false, errors.New("the token does not come from a verifier")
	}
	key := tokenKey(sha256.Sum256([]byte(t.state.token)))
	q := i.join(key, t)
	if q == nil {
		return false, nil
	}
	select {
	case <-q.done:
		return q.revoked, q.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// join returns a question that has not been sent yet, nil where an answer is cached.
func (i *Introspection) join(key tokenKey, t *Token) *inquiry {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.flights[key]
	switch {
	case i.cfg.Now().Before(i.active[key]):
		return nil
	case i.closed:
		q := newInquiry()
		q.answer(false, errors.New("introspection is closed"))
		return q
	case f == nil:
		f = &flight{current: newInquiry()}
		i.flights[key] = f
		i.running.Go(func() { i.fly(f, key, t) })
		return f.current
	case f.queued == nil:
		f.queued = newInquiry()
	}
	return f.queued
}

func newInquiry() *inquiry { return &inquiry{done: make(chan struct{})} }

func (q *inquiry) answer(revoked bool, err error) {
	q.revoked, q.err = revoked, err
	close(q.done)
}

// fly puts the current question, and those that were queued meanwhile.
func (i *Introspection) fly(f *flight, key tokenKey, t *Token) {
	for q := f.current; q != nil; {
		sent := i.cfg.Now()
		active, err := i.ask(t)
		i.mu.Lock()
		i.remember(key, active, sent)
		f.current, f.queued = f.queued, nil
		if f.current == nil {
			delete(i.flights, key)
		}
		next := f.current
		i.mu.Unlock()
		q.answer(err == nil && !active, err)
		q = next
	}
}

// remember keeps no answer but active, and that from when the question was sent. What is over is forgotten now and then.
func (i *Introspection) remember(key tokenKey, active bool, sent time.Time) {
	if i.cfg.CacheFor == 0 {
		return
	}
	now := i.cfg.Now()
	if now.Sub(i.sweptAt) >= i.cfg.CacheFor {
		i.sweptAt = now
		living := make(map[tokenKey]time.Time)
		for k, until := range i.active {
			if now.Before(until) {
				living[k] = until
			}
		}
		i.active = living
	}
	delete(i.active, key)
	if active {
		i.active[key] = sent.Add(i.cfg.CacheFor)
	}
}

func (i *Introspection) ask(t *Token) (active bool, err error) {
	ctx, cancel := context.WithTimeout(i.ctx, fetchTimeout)
	defer cancel()
	form := url.Values{"token": {t.state.token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.at.url.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header["Idempotency-Key"] = nil // not sent: net/http may ask again where an idle connection was just closed
	resp, err := i.at.send(req)
	if err != nil {
		i.complain(err)
		return false, err
	}
	defer resp.Body.Close()
	return readActive(resp.Body, t.ID)
}

// complain logs what somebody has to mend, once in 30 s: each request would meet it. The rest is in each [Error].
func (i *Introspection) complain(err error) {
	if !isMisconfigured(err) {
		return
	}
	now := i.cfg.Now()
	i.mu.Lock()
	quiet := !i.loggedAt.IsZero() && now.Sub(i.loggedAt) < refetchInterval
	if !quiet {
		i.loggedAt = now
	}
	i.mu.Unlock()
	if !quiet {
		logTrouble(i.cfg.Logger, "rs: introspection is refused", err, "issuer", i.cfg.Issuer)
	}
}

// readActive reads an answer of RFC 7662 §2.2 about the token with this jti. What is no such answer says nothing.
func readActive(body io.Reader, jti string) (bool, error) {
	doc, err := io.ReadAll(io.LimitReader(body, maxFetchBytes+1))
	if err != nil {
		return false, fmt.Errorf("answer to introspection: %w", err)
	}
	if len(doc) > maxFetchBytes {
		return false, fmt.Errorf("answer to introspection has more than %d bytes", maxFetchBytes)
	}
	answer, err := oauth.DecodeClaims(doc)
	if err != nil {
		return false, fmt.Errorf("answer to introspection: %w", err)
	}
	active, ok := answer["active"].(bool)
	if !ok {
		return false, errors.New("answer to introspection has no member active that is true or false")
	}
	if got, named := answer["jti"]; active && named && got != jti {
		return false, errors.New("answer to introspection is about another token")
	}
	return active, nil
}
