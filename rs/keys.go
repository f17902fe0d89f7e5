package rs

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// refetchInterval is the least time between two fetches of the keys after the first one, whoever asks for them,
	// unless the issuer's max-age is shorter: an issuer that lets its keys sign so soon after it has published them
	// wants them fetched that often.
	refetchInterval = 30 * time.Second
	// Without a max-age the keys are refreshed every defaultRefresh, with one at least every maxRefresh.
	defaultRefresh = 5 * time.Minute
	maxRefresh     = time.Hour
	// maxStale is how long keys are trusted that could not be refreshed: the issuer may have withdrawn them since.
	maxStale = 24 * time.Hour
)

// keySet is immutable.
type keySet struct {
	keys         map[string]*rsa.PublicKey
	etag         string
	fetchedAt    time.Time
	refreshAfter time.Duration
}

// cooldown is the least time between two fetches.
func (s *keySet) cooldown() time.Duration { return min(refetchInterval, s.refreshAfter) }

// attempt is a fetch, under way or done. err is for readers of the closed done.
type attempt struct {
	at   time.Time
	done chan struct{}
	err  error
}

// remoteKeys is the cached JWKS of an issuer. A reader who finds its key takes no lock and waits for nothing.
type remoteKeys struct {
	uri       string
	client    *http.Client
	closeIdle func()
	now       func() time.Time
	log       *slog.Logger

	ctx     context.Context // of fetches, which outlive the request that asked for them
	cancel  context.CancelFunc
	running sync.WaitGroup
	current atomic.Pointer[keySet]

	mu     sync.Mutex
	last   *attempt // nil before the first refetch
	closed bool
}

// openRemoteKeys fetches metadata and keys and starts the refreshing.
func openRemoteKeys(ctx context.Context, cfg Config) (*remoteKeys, error) {
	client, closeIdle := newClient(cfg.HTTPClient)
	k := &remoteKeys{client: client, closeIdle: closeIdle, now: cfg.Now, log: cfg.Logger}
	var err error
	if k.uri, err = fetchJWKSURI(ctx, client, cfg.Issuer); err == nil {
		err = k.fetch(ctx)
	}
	if err != nil {
		closeIdle()
		return nil, err
	}
	k.ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.running.Go(k.upkeep)
	return k, nil
}

func (k *remoteKeys) close() {
	k.mu.Lock()
	k.closed = true // nothing is added to running from here on
	k.mu.Unlock()
	k.cancel()
	k.running.Wait()
	k.closeIdle()
}

// PublicKey implements [KeySource]. A kid that is not in memory makes the keys be fetched, once in a cooldown however
// many kids and callers there are; the callers wait for the one fetch. If that fails, nobody knows whether the kid is
// good, which is an outage and no verdict on the token.
func (k *remoteKeys) PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	if key := k.known(kid); key != nil {
		return key, nil
	}
	if err := k.wait(ctx, k.refetch()); err != nil {
		return nil, err
	}
	if key := k.known(kid); key != nil {
		return key, nil
	}
	return nil, nil // not a nil *rsa.PublicKey
}

func (k *remoteKeys) known(kid string) *rsa.PublicKey {
	set := k.current.Load()
	if k.now().Sub(set.fetchedAt) > maxStale {
		return nil
	}
	return set.keys[kid]
}

// refetch starts a fetch, or returns the last one while that is younger than the cooldown.
func (k *remoteKeys) refetch() *attempt {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.last != nil && now.Sub(k.last.at) < k.current.Load().cooldown() {
		return k.last
	}
	a := &attempt{at: now, done: make(chan struct{})}
	if k.closed {
		a.err = errors.New("verifier is closed")
		close(a.done)
		return a
	}
	k.last = a
	k.running.Go(func() {
		defer close(a.done)
		if a.err = k.fetch(k.ctx); a.err != nil && k.ctx.Err() == nil {
			k.log.Warn("rs: keys not refreshed, the old ones stay", "jwks_uri", k.uri, "err", a.err)
		}
	})
	return a
}

func (k *remoteKeys) wait(ctx context.Context, a *attempt) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// upkeep refreshes the keys as often as the issuer asks for, and once in a cooldown while that fails.
func (k *remoteKeys) upkeep() {
	delay := k.current.Load().refreshAfter
	for {
		timer := time.NewTimer(delay)
		select {
		case <-k.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		delay = k.current.Load().cooldown()
		if err := k.wait(k.ctx, k.refetch()); err == nil {
			delay = k.current.Load().refreshAfter
		}
	}
}

// fetch replaces the current set if the issuer has another good one; an error leaves it as it is.
func (k *remoteKeys) fetch(ctx context.Context) error {
	set := keySet{fetchedAt: k.now()}
	old := k.current.Load()
	if old != nil {
		set.etag = old.etag
	}
	doc, header, err := get(ctx, k.client, k.uri, set.etag)
	if err != nil {
		return fmt.Errorf("fetching keys: %w", err)
	}
	set.refreshAfter = refreshAfter(header)
	if doc == nil { // 304
		set.keys = old.keys
		k.current.Store(&set)
		return nil
	}
	set.etag = header.Get("ETag")
	var ignored []error
	if set.keys, ignored, err = parseJWKS(doc); err != nil {
		return fmt.Errorf("keys at %s: %w", k.uri, err)
	}
	if len(ignored) > 0 {
		k.log.Warn("rs: unusable keys ignored", "jwks_uri", k.uri, "err", errors.Join(ignored...))
	}
	k.current.Store(&set)
	return nil
}

// refreshAfter is the max-age of RFC 9111 §5.2.2.1 within our bounds. None at all would be a fetch for each token.
func refreshAfter(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		seconds, err := strconv.Atoi(value)
		if strings.EqualFold(name, "max-age") && err == nil {
			if seconds <= 0 {
				return refetchInterval
			}
			return min(time.Duration(seconds), maxRefresh/time.Second) * time.Second
		}
	}
	return defaultRefresh
}
