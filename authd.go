package authd

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"sync"

	"github.com/go-authd/authd/internal/feed"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/web"
)

// Server is an authorization server. Its methods may be called at the same time.
type Server struct {
	*Admin
	rings  *keys.Rings
	grants *grants.Service
	web    *web.Server
	upkeep *upkeep
	feed   *feed.Feed
	people hostSubjects

	stop context.CancelFunc
	done sync.WaitGroup
}

// New checks cfg, the database's schema and the key-encryption keys, makes the signing
// keys of a database that has none, starts upkeep (reading and rotation of the key rings,
// removal of dead rows) and returns a Server. It refuses a standby, and warns of settings under
// which a crash loses what was committed ([Diagnose] tells them all). It returns an error that wraps [ErrSchemaVersion] if
// [Migrate] has to run first; New itself never changes the schema.
func New(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := cfg.checkDatabase(ctx); err != nil {
		return nil, err
	}
	s := &Server{Admin: newAdmin(&cfg)}
	if err := cfg.checkPostgres(ctx); err != nil {
		return nil, err
	}
	var err error
	if s.rings, err = newRings(ctx, &cfg, s.db, s.emit); err != nil {
		return nil, err
	}
	s.people = hostSubjects{s.db}
	s.feed = feed.New(feed.Config{Source: s.db, Issuer: cfg.Issuer, Life: maxAccessTTL + feedMargin, Now: cfg.Now})
	t := newTokens(&cfg, s.db, s.rings, s.emit)
	s.grants = newGrants(&cfg, s.Admin, s.rings, t)
	if s.web, err = newWeb(&cfg, s, t, s.grants); err != nil {
		return nil, err
	}
	s.upkeep = newUpkeep(s.db, cfg.Logger)
	s.start(context.WithoutCancel(ctx))
	return s, nil
}

func (s *Server) start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.done.Go(func() { s.rings.Run(ctx) })
	s.done.Go(func() { s.upkeep.run(ctx) })
}

// Close stops upkeep and waits for it. It does not wait for requests: shut the HTTP
// server down first. It never fails, and may be called again.
func (s *Server) Close() error {
	s.feed.Close()
	s.stop()
	s.done.Wait()
	return nil
}

// Handler serves the endpoints. It matches the request's whole path, the issuer's path
// included: mount it at /, or route <path>/* and /.well-known/* to it (RFC 8414 §3
// inserts); never StripPrefix.
func (s *Server) Handler() http.Handler { return s.web.Handler() }

// OpsHandler serves /healthz and /readyz, for a listener that the public does not reach.
func (s *Server) OpsHandler() http.Handler { return s.web.OpsHandler() }

// HTTPServer returns a server for h with the timeouts and limits that keep slow and huge
// requests from using a process up. The caller sets Addr or serves a listener.
func HTTPServer(h http.Handler) *http.Server { return web.HTTPServer(h) }

// PublicKey returns the published key with this kid, nil for none: with it as rs.Config's
// Keys, a resource server in the same process needs no JWKS. An error is an outage.
func (s *Server) PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	key, err := s.rings.PublicKey(ctx, kid)
	if errors.Is(err, keys.ErrInvalid) {
		return nil, nil
	}
	return key, err
}
