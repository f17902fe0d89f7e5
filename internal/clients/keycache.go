package clients

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	// fetchTimeout ends a fetch of a client's keys.
	fetchTimeout = 5 * time.Second
	// keysFresh is for how long fetched keys are used without a look at their source: the
	// most that a key which the client has withdrawn goes on being accepted.
	keysFresh = 5 * time.Minute
	// keysStale is for how long they are used while their source cannot be read.
	keysStale = time.Hour
	// fetchCooldown lies between two fetches for one client, whoever asks.
	fetchCooldown = 30 * time.Second
	// maxWaiting bounds the requests that wait for one client's source: a slow one must not
	// take the places of all others.
	maxWaiting = 32
)

// keyCache keeps the keys that were read from jwks_uri, of each client with one.
type keyCache struct {
	fetch   Fetcher
	now     func() time.Time
	flights singleflight.Group

	mu      sync.Mutex
	sources map[string]*keySource // by client
}

// keySource is what is known of one jwks_uri.
type keySource struct {
	uri     string
	set     *keySet   // the newest; nil: never read
	triedAt time.Time // also without success
	err     error     // of the last try
	waiting int
}

// keySet is never changed.
type keySet struct {
	keys   []clientKey
	readAt time.Time
}

func newKeyCache(fetch Fetcher, now func() time.Time) *keyCache {
	return &keyCache{fetch: fetch, now: now, sources: make(map[string]*keySource)}
}

// current returns keys that are fresh, or those that are the newest to be had. Its error is
// a refusal.
func (c *keyCache) current(ctx context.Context, client *oauth.Client) (*keySet, error) {
	return c.read(ctx, client, func(set *keySet, age time.Duration) bool { return age < keysFresh })
}

// newer returns another set than old, unless its source was read only just now.
func (c *keyCache) newer(ctx context.Context, client *oauth.Client, old *keySet) (*keySet, error) {
	return c.read(ctx, client, func(set *keySet, _ time.Duration) bool { return set != old })
}

func (c *keyCache) read(ctx context.Context, client *oauth.Client, enough func(*keySet, time.Duration) bool) (*keySet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sources[client.ID]
	if s == nil || s.uri != client.JWKSURI {
		s = &keySource{uri: client.JWKSURI}
		c.sources[client.ID] = s
	}
	if s.set != nil && enough(s.set, c.now().Sub(s.set.readAt)) {
		return s.set, nil
	}
	if c.isDue(s) {
		if err := c.await(ctx, client.ID, s); err != nil {
			return nil, err
		}
	}
	if s.set == nil || c.now().Sub(s.set.readAt) > keysStale {
		return nil, refuse("keys of jwks_uri: " + s.err.Error())
	}
	return s.set, nil
}

func (c *keyCache) isDue(s *keySource) bool {
	return s.triedAt.IsZero() || c.now().Sub(s.triedAt) >= fetchCooldown
}

// await fetches, or waits for the fetch that is under way. It gives c.mu up meanwhile.
func (c *keyCache) await(ctx context.Context, id string, s *keySource) error {
	if s.waiting >= maxWaiting {
		return oauth.Busy.Because("too many requests wait for the client's jwks_uri")
	}
	s.waiting++
	c.mu.Unlock()
	done := c.flights.DoChan(id+" "+s.uri, func() (any, error) { // an identifier has no spaces
		c.update(context.WithoutCancel(ctx), s) // not with the request's cancellation: the outcome is everybody's
		return nil, nil
	})
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.mu.Lock()
	s.waiting--
	return err
}

func (c *keyCache) update(ctx context.Context, s *keySource) {
	c.mu.Lock()
	due := c.isDue(s) // unless another fetch has ended meanwhile
	c.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	doc, err := c.fetch.Get(ctx, s.uri)
	var keys []clientKey
	if err == nil {
		keys, err = parseKeySet(doc)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.triedAt, s.err = c.now(), err
	if err == nil {
		s.set = &keySet{keys, s.triedAt}
	}
}
