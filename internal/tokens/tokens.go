// Package tokens knows what a token is: it mints access tokens, rotates refresh-token
// families and detects reuse, revokes, and introspects.
package tokens

import (
	"context"
	"io"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
)

// Config of a [Service]; the caller has validated it.
type Config struct {
	DB     *db.DB
	Keys   *keys.Rings
	Issuer string
	// Grace is how long after a rotation the parent still gets the same leaf; 0: never.
	Grace time.Duration
	// RefreshTTL is how long a refresh token may lie unused, where its client says
	// nothing; FamilyTTL ends a family in any case.
	RefreshTTL, FamilyTTL time.Duration
	Random                io.Reader
	// UserInfo adds claims about a subject to those that the user store has. Nil: none.
	UserInfo func(ctx context.Context, subject string, scopes []string) (map[string]any, error)
	// OnEvent is told of each change that was committed. It must not block.
	OnEvent func(context.Context, Event)
}

// Service issues and ends tokens.
type Service struct {
	db     *db.DB
	keys   *keys.Rings
	cfg    Config
	racers *gate // to refresh
	enders *gate // to revoke
	takers *gate // to redeem a code
}

// New does no I/O.
func New(cfg Config) *Service {
	if cfg.OnEvent == nil {
		cfg.OnEvent = func(context.Context, Event) {}
	}
	return &Service{db: cfg.DB, keys: cfg.Keys, cfg: cfg, racers: newGate(), enders: newGate(), takers: newGate()}
}

// In returns the same service with its statements in d.
func (s *Service) In(d *db.DB) *Service {
	in := *s
	in.db = d
	return &in
}

// Caller is the client that asks: the identifier that it claims, and the check of its
// credentials against the registration (nil: none) once that has been read. The check
// returns a refusal.
type Caller interface {
	ClientID() string
	Check(*oauth.Client) error
}

// Event is one of [FamilyRevoked], [ReuseDetected], [TokenRevoked], [ForeignToken] and
// [GraceReplay].
type Event interface{ isTokenEvent() }

// FamilyRevoked: a family was ended by its client, its subject or the operator.
type FamilyRevoked struct{ FamilyID, ClientID, Subject, Reason string }

// ReuseDetected: an older refresh token came back outside the grace window, and the
// family is ended. Fork means that the token was newer than the database, which has gone
// back in time, or that a key has leaked.
type ReuseDetected struct {
	FamilyID, ClientID, Subject string
	Generation, LeafGeneration  int64
	Fork                        bool
}

// TokenRevoked: one access token was ended.
type TokenRevoked struct{ JTI, ClientID, Subject string }

// ForeignToken: a client presented a refresh token of another. Nothing was changed.
type ForeignToken struct{ FamilyID, ClientID, PresentedBy string }

// GraceReplay: a refresh token was answered once more inside the grace window.
type GraceReplay struct {
	FamilyID, ClientID string
	Replays            int
}

func (FamilyRevoked) isTokenEvent() {}
func (ReuseDetected) isTokenEvent() {}
func (TokenRevoked) isTokenEvent()  {}
func (ForeignToken) isTokenEvent()  {}
func (GraceReplay) isTokenEvent()   {}

// Reasons that stand in token_families.revoked_reason.
const (
	ReasonReuse    = "reuse"
	ReasonFork     = "db_rollback_suspected"
	ReasonReplay   = "code_replay"
	ReasonClient   = "revoked_by_client"
	ReasonLogout   = "logout"
	ReasonOperator = "revoked_by_operator"
	ReasonSubject  = "revoked_by_subject"
)
