// Package backchannel tells clients that sessions have ended in which they got ID tokens (OIDC
// Back-Channel Logout 1.0). What there is to tell stands in the database, in notices that the
// end of a session has left there; any number of servers deliver them.
package backchannel

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/tokens"
)

// Config of a [Courier]; nothing is optional.
type Config struct {
	DB *db.DB
	// Mint makes the logout token.
	Mint func(context.Context, tokens.Logout) (string, error)
	// Post sends a form and returns the status of the answer, in less than 10 s.
	Post func(ctx context.Context, uri string, form url.Values) (status int, err error)
	// OnEvent is told what became of a notice. It must not block.
	OnEvent func(context.Context, Event)
	Logger  *slog.Logger
}

// Event is one of [Delivered] and [GivenUp].
type Event interface{ isBackchannelEvent() }

// Delivered: a client has confirmed that it was told of the end of a session.
type Delivered struct {
	ClientID, Subject, FamilyID string
	Attempts                    int
}

// GivenUp: a client could not be told for an hour, and is not told any more.
type GivenUp struct {
	ClientID, Subject, FamilyID string
	Attempts                    int
}

func (Delivered) isBackchannelEvent() {}
func (GivenUp) isBackchannelEvent()   {}

const (
	// sweepInterval is how often notices are looked for that nobody hinted at: those of other
	// processes, and those whose time has come. A client that failed has peace until then.
	sweepInterval = 5 * time.Second
	// maxClients bounds the clients that are told something at the same time.
	maxClients = 32
)

// Courier delivers notices. Each client is told by one goroutine, so that a slow one holds up
// nobody but itself.
type Courier struct {
	cfg  Config
	hint Hint
}

// Hint wakes a courier up: a session has ended, and that is committed.
type Hint chan struct{}

// NewHint is for one courier.
func NewHint() Hint { return make(Hint, 1) }

// Give does not block. Without a courier it does nothing.
func (h Hint) Give() {
	select {
	case h <- struct{}{}:
	default:
	}
}

// New does no I/O.
func New(cfg Config, hint Hint) *Courier { return &Courier{cfg, hint} }
