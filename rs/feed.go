package rs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// OnStale is what a [Feed] says of tokens that it has not heard of while its word is older than MaxStaleness.
type OnStale int

const (
	// Refuse fails closed: tokens are refused with [ErrUnavailable] until the issuer is heard again. While the issuer
	// is away for longer than MaxStaleness, so is this resource server.
	Refuse OnStale = iota + 1
	// Accept fails open: tokens are accepted, and those that were revoked during the outage with them, until they
	// expire. What was heard before still counts.
	Accept
)

// FeedConfig configures [NewFeed]. Issuer, ClientID, ClientSecret and OnStale are required.
type FeedConfig struct {
	// Issuer is that of the tokens, as in Config.Issuer. Its metadata names the feed.
	Issuer string
	// ClientID and ClientSecret are those of a client that the issuer has registered as a resource server with this
	// server's audience: it is told of that audience's tokens alone.
	ClientID, ClientSecret string

	// OnStale says whether tokens are refused or accepted while the issuer cannot be heard.
	OnStale OnStale
	// MaxStaleness is the greatest [Feed.Staleness] at which silence about a token means that it was not revoked.
	// Default 30 s; 10 s to 1 h.
	MaxStaleness time.Duration

	// HTTPClient asks the issuer. Its Timeout does not count, since a question may wait for news for 25 s; the
	// transport must let it. Redirects stay on the same scheme and host. Default: a client of its own, closed by
	// [Feed.Close].
	HTTPClient *http.Client
	// Logger is told when the issuer cannot be heard, and of entries that this version does not understand. Default
	// [slog.Default].
	Logger *slog.Logger
	// Now is the clock that staleness and the ends of entries are judged by. Default [time.Now].
	Now func() time.Time
}

const (
	defaultMaxStaleness = 30 * time.Second
	leastMaxStaleness   = 10 * time.Second
	mostMaxStaleness    = time.Hour
	// A question waits for news so much shorter than MaxStaleness, and maxWait at most.
	waitMargin = 5 * time.Second
	maxWait    = 25 * time.Second
	// shortTimeout bounds a question that does not wait, with up to 16 MiB in its answer; one that waits may take
	// fetchTimeout longer than that.
	shortTimeout = 10 * time.Second
	// pollInterval is how often an issuer is asked that does not let questions wait.
	pollInterval = 5 * time.Second
	// A question follows the answer of one that waited after about pause, so that a storm of news, or an issuer that
	// answers at once, does not become a storm of questions.
	pause = 500 * time.Millisecond
	// After failures the next question comes after about minBackoff, twice as much each time, and maxBackoff at most.
	minBackoff    = time.Second
	maxBackoff    = 15 * time.Second
	sweepInterval = time.Minute
)

func (c FeedConfig) withDefaults() FeedConfig {
	c.MaxStaleness = cmp.Or(c.MaxStaleness, defaultMaxStaleness)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c FeedConfig) caller() caller {
	return caller{c.Issuer, c.ClientID, c.ClientSecret, c.HTTPClient, c.Now}
}

func (c FeedConfig) validate() error {
	if err := c.caller().validate("FeedConfig"); err != nil {
		return err
	}
	switch {
	case c.OnStale != Refuse && c.OnStale != Accept:
		return errors.New("rs: FeedConfig.OnStale must be chosen: while the issuer cannot be heard, rs.Refuse refuses " +
			"all tokens with 503, rs.Accept accepts also those that were revoked since")
	case c.MaxStaleness < leastMaxStaleness || c.MaxStaleness > mostMaxStaleness:
		return fmt.Errorf("rs: FeedConfig.MaxStaleness is %v, want %v to %v", c.MaxStaleness, leastMaxStaleness, mostMaxStaleness)
	}
	return nil
}

// Feed is a [Checker] that follows the issuer's revocation feed, so that no token costs a question: news comes within
// about a second of the revocation. It is safe for concurrent use.
type Feed struct {
	cfg  FeedConfig
	at   *endpoint
	wait time.Duration // that a question asks for
	set  feedSet
	asOf atomic.Pointer[time.Time] // when the latest question was sent that has a good answer

	// Of NewFeed, then of follow alone.
	cursor  string
	sweptAt time.Time

	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ Checker = (*Feed)(nil)

// NewFeed finds the feed in the issuer's metadata (authd_revocations_endpoint), reads all that is revoked, and follows
// the news until [Feed.Close]. An issuer that has no feed, refuses the client or cannot be reached is an error here;
// later, what was heard stays, and the issuer is asked again and again.
func NewFeed(ctx context.Context, cfg FeedConfig) (*Feed, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	at, err := openEndpoint(ctx, cfg.caller(), "authd_revocations_endpoint")
	if err != nil {
		return nil, fmt.Errorf("rs: %w", err)
	}
	at.client.Timeout = 0 // of the copy: each question has its own
	f := &Feed{cfg: cfg, at: at, wait: min(maxWait, cfg.MaxStaleness-waitMargin), sweptAt: cfg.Now()}
	if _, err := f.ask(ctx, 0); err != nil {
		at.closeIdle()
		return nil, fmt.Errorf("rs: reading the revocations: %w", err)
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.running.Go(func() { f.follow(ctx) })
	return f, nil
}

// Close ends the following and waits for it. Afterwards the feed grows stale. It may be called more than once.
func (f *Feed) Close() error {
	f.cancel()
	f.running.Wait()
	f.at.closeIdle()
	return nil
}

// Revoked implements [Checker]. It asks nobody and does not wait.
func (f *Feed) Revoked(_ context.Context, t *Token) (bool, error) {
	switch {
	case f == nil:
		return false, errNoChecker
	case t.Issuer != f.cfg.Issuer:
		return false, errForeign
	}
	now := f.cfg.Now()
	if f.set.has(t, now) {
		return true, nil
	}
	if age := f.staleness(now); f.cfg.OnStale == Refuse && age > f.cfg.MaxStaleness {
		return false, fmt.Errorf("revocations were last heard of %v ago", age.Round(time.Second))
	}
	return false, nil
}

// Staleness is how old the feed's word is: whatever the issuer had acknowledged longer ago than this is known here. It
// is the time since the latest question was sent that has a good answer. A question that is waiting for news has
// none yet, so that with a MaxStaleness of 30 s it rises to a little over 25 s and falls again all the time, although
// news would come at once: it is a bound, and what to alert on.
func (f *Feed) Staleness() time.Duration { return f.staleness(f.cfg.Now()) }

// staleness goes by the clock that says more: the monotonic one may stand still while a machine sleeps, and the other
// may be set back.
func (f *Feed) staleness(now time.Time) time.Duration {
	asOf := *f.asOf.Load()
	return max(now.Sub(asOf), now.Round(0).Sub(asOf.Round(0)))
}
