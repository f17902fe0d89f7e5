package authd

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
)

// SignedIn is a sign-in for which the host vouches, by whatever means it knows the person.
type SignedIn struct {
	ClientID string
	Subject  Subject
	// Scopes and Resource are as a client asks for them: none for all that it is registered
	// for, and its first audience.
	Scopes   []string
	Resource string
	// AccessTTL asks for a shorter lifetime of the access token; 0 for the client's.
	AccessTTL time.Duration
	// Device is kept as the family's first use; zero: nothing is.
	Device Device
}

// Tokens is what a sign-in gives.
type Tokens struct {
	AccessToken  string
	RefreshToken string // "" for a client without the refresh_token grant
	ExpiresIn    time.Duration
	Scopes       []string
	FamilyID     string
}

// Issuance is a sign-in of which no token is signed yet.
type Issuance struct {
	srv   *Server
	begun grants.Begun
}

// FamilyID is the family that was begun: the sid of its access tokens.
func (i *Issuance) FamilyID() string { return i.begun.FamilyID }

// Issue begins a refresh-token family and returns its first tokens. It returns a
// [*RefusedError] where the client or the subject may not have them.
func (s *Server) Issue(ctx context.Context, in SignedIn) (Tokens, error) {
	begun, err := s.begin(ctx, s.db, in)
	if err != nil {
		return Tokens{}, err
	}
	return (&Issuance{s, begun}).Tokens(ctx)
}

// IssueTx begins the family in the host's own transaction: make the person's row and the
// grant together, or neither. It signs nothing, since a token that exists before the commit
// would outlive a rollback: ask the Issuance for the tokens after the commit.
func (s *Server) IssueTx(ctx context.Context, tx pgx.Tx, in SignedIn) (*Issuance, error) {
	begun, err := s.begin(ctx, s.db.In(tx), in)
	if err != nil {
		return nil, err
	}
	return &Issuance{s, begun}, nil
}

// Tokens signs the first tokens. Before the host's commit, and after a rollback, it
// returns [ErrNotFound]. A second call gives the same refresh token until that is used.
func (i *Issuance) Tokens(ctx context.Context) (Tokens, error) {
	r, err := i.srv.grants.Finish(ctx, i.begun)
	if err != nil {
		return Tokens{}, publicRefusal(err)
	}
	return Tokens{
		AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, ExpiresIn: time.Duration(r.ExpiresIn) * time.Second,
		Scopes: strings.Fields(r.Scope), FamilyID: i.begun.FamilyID,
	}, nil
}

func (s *Server) begin(ctx context.Context, d *db.DB, in SignedIn) (grants.Begun, error) {
	state, isClient, now, err := d.Subject(ctx, in.Subject.ID)
	if err != nil {
		return grants.Begun{}, err
	}
	authTime, err := authTime(in.Subject, now)
	switch {
	case err != nil:
		return grants.Begun{}, &RefusedError{err.Error()}
	case isClient: // RFC 9068 §5: a person must not be taken for a client
		return grants.Begun{}, &RefusedError{"the subject is a client's identifier"}
	case state.DisabledAt != nil:
		return grants.Begun{}, &RefusedError{"the subject is disabled"}
	}
	who := oauth.Authentication{
		Subject: in.Subject.ID, Epoch: state.Epoch, Ended: state.EndedAt, Time: authTime, AMR: in.Subject.AMR, ACR: in.Subject.ACR,
		Device: in.Device.internal(),
	}
	begun, err := s.grants.Begin(ctx, d, in.ClientID, who, in.form())
	return begun, publicRefusal(err)
}

// form is what a client would send.
func (in SignedIn) form() oauth.Form {
	form := oauth.Form{"scope": strings.Join(in.Scopes, " "), "resource": in.Resource}
	if in.AccessTTL != 0 {
		form["expires_in"] = strconv.FormatInt(int64(in.AccessTTL/time.Second), 10)
	}
	return form
}

// publicRefusal turns what a client would be told into what a host can test.
func publicRefusal(err error) error {
	if refused, ok := errors.AsType[*oauth.Error](err); ok && refused.HTTPStatus() < 500 {
		return &RefusedError{refused.Description}
	}
	return err
}
