package authdtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a token of an [Issuer] says where no [Shape] says otherwise.
const (
	DefaultAudience = "https://api.example.com"
	DefaultSubject  = "usr_7dvfr6okxwr3bozzkibsx5kjfe"
	DefaultClient   = "shop-app"
	// DefaultTTL is how long it lives.
	DefaultTTL = 10 * time.Minute
)

// Issuer is an authorization server in this process, as far as a resource server sees one. It is safe for concurrent
// use.
type Issuer struct {
	// URL is the issuer identifier, for rs.Config.Issuer.
	URL string
	// Audience is whom its tokens are for, for rs.Config.Audience.
	Audience string
	// ClientID and ClientSecret are those of a client that is registered as a resource server with this audience, for
	// rs.FeedConfig and rs.IntrospectionConfig.
	ClientID, ClientSecret string

	path     string // of URL, without the slash at its end
	defaults []Shape
	clients  map[string]client
	origin   string // of cursors
	server   *httptest.Server
	memory   *http.Client
	closed   chan struct{}
	closing  sync.Once

	mu       sync.Mutex
	clock    clock
	keys     ring
	feed     []entry
	news     chan struct{}    // closed at the next entry
	endWaits chan struct{}    // closed by EndWaits
	ended    map[string]int64 // kind and value: least iat that lives
	longest  time.Time        // the last exp of all tokens
	down     chan struct{}    // closed while down
	handlers map[string]http.HandlerFunc
	requests map[string]int
}

// client is a resource server's registration.
type client struct {
	secret    string
	audiences []string
}

// config is what options change.
type config struct {
	path, memory string
	at           time.Time
	defaults     []Shape
	clients      map[string]client
}

// Option changes an [Issuer] that is about to start.
type Option func(*config)

// Path gives the issuer's URL a path, such as "/tenants/a".
func Path(path string) Option { return func(c *config) { c.path = path } }

// At makes the issuer's clock stand at t until it is moved by [Issuer.Advance]. Without it, the clock is [time.Now].
func At(t time.Time) Option { return func(c *config) { c.at = t } }

// Defaults are shapes of all tokens of the issuer, before a token's own.
func Defaults(shapes ...Shape) Option {
	return func(c *config) { c.defaults = append(c.defaults, shapes...) }
}

// InMemory makes an issuer with this URL, of https as a rule, and without a socket: it answers [Issuer.Client] alone.
// It can live in a bubble of testing/synctest.
func InMemory(issuer string) Option { return func(c *config) { c.memory = issuer } }

// ResourceServer registers one more client as a resource server.
func ResourceServer(id, secret string, audiences ...string) Option {
	return func(c *config) { c.clients[id] = client{secret, audiences} }
}

// New starts an issuer that is closed when the test ends.
func New(t testing.TB, options ...Option) *Issuer {
	t.Helper()
	i := Start(options...)
	t.Cleanup(i.Close)
	return i
}

// Start is [New] for examples and for TestMain. The issuer must be closed.
func Start(options ...Option) *Issuer {
	c := config{clients: map[string]client{}}
	for _, option := range options {
		option(&c)
	}
	i := &Issuer{
		ClientID: "api", ClientSecret: "secret-of-api", defaults: c.defaults, clients: c.clients, origin: newID(),
		closed: make(chan struct{}), clock: clock{stands: c.at}, news: make(chan struct{}), endWaits: make(chan struct{}), ended: map[string]int64{},
		down: make(chan struct{}), handlers: map[string]http.HandlerFunc{}, requests: map[string]int{},
	}
	i.listen(c)
	i.keys.signing = i.keys.next()
	i.Audience = i.defaultAudience()
	i.clients[i.ClientID] = client{i.ClientSecret, []string{i.Audience}}
	return i
}

func (i *Issuer) listen(c config) {
	if c.memory != "" {
		u, err := url.Parse(c.memory)
		if err != nil {
			panic(fmt.Sprintf("authdtest: InMemory: %v", err))
		}
		i.URL, i.path = c.memory, strings.TrimSuffix(u.EscapedPath(), "/")
		i.memory = &http.Client{Transport: memory{i}}
		return
	}
	i.server = httptest.NewServer(i)
	i.URL, i.path = i.server.URL+c.path, strings.TrimSuffix(c.path, "/")
}

// Close answers everybody who waits, and stops. It may be called more than once.
func (i *Issuer) Close() {
	i.closing.Do(func() {
		close(i.closed)
		if i.server != nil {
			i.server.Close()
		}
	})
}

// Client reaches the issuer. Only one that is [InMemory] needs it.
func (i *Issuer) Client() *http.Client {
	if i.memory != nil {
		return i.memory
	}
	return i.server.Client()
}

// clock is time.Now, moved by ahead, unless it stands.
type clock struct {
	stands time.Time
	ahead  time.Duration
}

// Now is the issuer's clock. Give it to the verifier too, as rs.Config.Now, and [Issuer.Advance] moves both.
func (i *Issuer) Now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now()
}

func (i *Issuer) now() time.Time {
	if i.clock.stands.IsZero() {
		return time.Now().Add(i.clock.ahead)
	}
	return i.clock.stands.Add(i.clock.ahead)
}

// Advance moves the clock. Nothing waits for it: long polls and [Issuer.Slow] go by real time.
func (i *Issuer) Advance(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clock.ahead += d
}
