package authd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/keys"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

const (
	reasonOperator = tokens.ReasonOperator
	reasonSubject  = tokens.ReasonSubject
)

// checkDatabase looks at the schema and at how the pool treats a commit.
func (c *Config) checkDatabase(ctx context.Context) error {
	if err := checkSchema(ctx, c.DB); err != nil {
		return fmt.Errorf("authd: %w", err)
	}
	if err := db.CheckPool(ctx, c.DB); err != nil {
		return fmt.Errorf("authd: Config.DB: %w", err)
	}
	return nil
}

// checkPostgres refuses a database that cannot write and is loud about one that breaks
// the commit rule, or whose clock is another.
func (c *Config) checkPostgres(ctx context.Context) error {
	for _, f := range checkPostgres(ctx, c.DB, c.Now) {
		switch {
		case f.Check == "database" && f.Outcome == FindingFailed:
			return fmt.Errorf("authd: Config.DB: %s: %s", f.Detail, f.Remedy)
		case f.Outcome != FindingOK:
			c.Logger.WarnContext(ctx, f.Check+": "+f.Detail, "hint", f.Remedy)
		}
	}
	return nil
}

func newAdmin(c *Config) *Admin {
	d, emit := db.New(c.DB), c.emitter()
	return &Admin{
		db: d, clients: clients.NewRegistry(d, c.Random), emit: emit,
		users: authn.New(authn.Config{
			DB: d, Random: c.Random, Logger: c.Logger,
			OnEnd: func(ctx context.Context, subject string) { emit(ctx, SubjectEnded{subject}) },
		}),
	}
}

func newRings(ctx context.Context, c *Config, d *db.DB, emit func(context.Context, Event)) (*keys.Rings, error) {
	cfg := c.keys(d)
	cfg.OnEvent = func(ctx context.Context, e keys.Event) { emit(ctx, publicKeyEvent(e)) }
	rings, err := keys.New(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("authd: %w", err)
	}
	return rings, nil
}

// keys is the part of c that concerns the rings.
func (c *Config) keys(d *db.DB) keys.Config {
	cfg := keys.Config{
		DB: d, KEKs: convert(c.KeyEncryptionKeys, internalKEK), Bits: c.KeyBits, Period: c.KeyPeriod, Lead: c.KeyLead, MaxAge: c.JWKSMaxAge, Poll: c.KeyPoll,
		SnapshotCap: c.KeySnapshotCap, Skew: c.ClockSkew,
		AccessMax: maxAccessTTL, FamilyMax: maxFamilyTTL, GraceMax: maxGrace,
		Now: c.Now, Logger: c.Logger, WithTimeout: c.withTimeout,
	}
	if c.Signer != nil {
		cfg.Signer, cfg.SealNew = c.Signer, c.SealNewKeys
	}
	return cfg
}

func internalKEK(e KeyEncryptor) keys.KEK {
	switch e := e.(type) {
	case nil:
		return keys.KEK{} // refused, as an empty Secret is
	case Secret:
		return e.kek
	case *Secret: // the same key, and no KMS
		if e == nil {
			return keys.KEK{}
		}
		return e.kek
	}
	return keys.RemoteKEK(e)
}

func newTokens(c *Config, d *db.DB, rings *keys.Rings, emit func(context.Context, Event)) *tokens.Service {
	return tokens.New(tokens.Config{
		DB: d, Keys: rings, Issuer: c.Issuer, Grace: c.grace(),
		RefreshTTL: c.RefreshTokenTTL, FamilyTTL: c.FamilyTTL, Random: c.Random,
		UserInfo: c.UserInfo,
		OnEvent:  func(ctx context.Context, e tokens.Event) { emit(ctx, publicEvent(e)) },
	})
}

func newGrants(c *Config, a *Admin, rings *keys.Rings, t *tokens.Service) *grants.Service {
	cfg := grants.Config{
		DB: a.db, Keys: rings, Tokens: t, Issuer: c.Issuer, AccessTTL: c.AccessTokenTTL, Random: c.Random,
		Authenticator: a.users, Accounts: a.users, Codes: c.SignInPages,
		OnIssue:             func(ctx context.Context, g oauth.Grant) { a.emit(ctx, GrantIssued{publicGrant(g)}) },
		OnConstantChallenge: func(ctx context.Context, client string) { a.emit(ctx, ConstantChallenge{client}) },
	}
	if c.Authenticator != nil {
		cfg.Authenticator, cfg.Accounts = hostUsers{hostSubjects{a.db}, c.Authenticator}, nil
	}
	if c.Claims != nil {
		cfg.Claims = func(ctx context.Context, g oauth.Grant) (map[string]any, error) {
			extra, err := c.Claims(ctx, publicGrant(g))
			if errors.Is(err, ErrDenied) {
				return nil, (&oauth.Error{
					Code: oauth.AccessDenied, Status: 400, Description: "the token was refused",
				}).Because("claims hook")
			}
			return extra, err
		}
	}
	return grants.New(cfg)
}

// hostSubjects admits people whom the host knows. What ends a subject is kept here.
type hostSubjects struct{ db *db.DB }

// hostUsers lets a host's user store sign people in.
type hostUsers struct {
	hostSubjects
	host Authenticator
}

var _ grants.Authenticator = hostUsers{}

func (h hostUsers) Authenticate(ctx context.Context, username, password string) (oauth.Authentication, error) {
	s, err := h.host.Authenticate(ctx, username, password)
	if errors.Is(err, ErrInvalidCredentials) {
		return oauth.Authentication{}, oauth.Errorf(oauth.InvalidCredentials, "user name or password is wrong")
	}
	if err != nil {
		return oauth.Authentication{}, fmt.Errorf("authenticator: %w", err)
	}
	who, err := h.admit(ctx, s)
	if errors.Is(err, errDisabled) {
		err = oauth.Errorf(oauth.InvalidCredentials, "user name or password is wrong").Because("disabled")
	}
	return who, err
}

var errDisabled = errors.New("the subject is disabled")

func (h hostSubjects) admit(ctx context.Context, s Subject) (oauth.Authentication, error) {
	state, isClient, now, err := h.db.Subject(ctx, s.ID)
	if err != nil {
		return oauth.Authentication{}, err
	}
	authTime, err := authTime(s, now)
	switch {
	case err != nil:
		return oauth.Authentication{}, err
	case isClient: // RFC 9068 §5: a person must not be taken for a client
		return oauth.Authentication{}, errors.New("authenticator returned a subject that is a client's identifier")
	case state.DisabledAt != nil:
		return oauth.Authentication{}, errDisabled
	}
	if len(s.AMR) == 0 {
		s.AMR = []string{"pwd"}
	}
	return oauth.Authentication{
		Subject: s.ID, Epoch: state.Epoch, Ended: state.EndedAt, Time: authTime, AMR: s.AMR, ACR: s.ACR, Name: s.Name,
	}, nil
}

// maxAhead is how far ahead the host's clock may be of the database's, as of any server.
const maxAhead = 5 * time.Second

// authTime is when the host says that it authenticated s, and now if it does not.
func authTime(s Subject, now time.Time) (time.Time, error) {
	switch {
	case s.AuthTime.IsZero():
		return now, nil
	case s.AuthTime.Sub(now) > maxAhead:
		return now, errors.New("the subject's AuthTime lies ahead")
	case s.AuthTime.After(now):
		return now, nil
	}
	return s.AuthTime, nil
}
