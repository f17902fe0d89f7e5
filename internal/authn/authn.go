// Package authn is the built-in user store: who has which password, and how often
// somebody may guess. A host with users of its own needs none of it.
package authn

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

const (
	// maxHashing passwords are checked at a time, on fewer processors fewer: with the
	// largest hash that is accepted, 256 MiB.
	maxHashing = 4
	// maxQueue is how long a request waits for its turn before it is shed.
	maxQueue = 2 * time.Second
)

// Config configures [New]. DB is required.
type Config struct {
	DB *db.DB
	// Random is where subjects come from. Default [rand.Reader].
	Random io.Reader
	// Logger hears of hashes that cannot be used. Default [slog.Default].
	Logger *slog.Logger
	// OnEnd, if set, is told of each subject whose grants were ended: by a new password
	// or by being disabled.
	OnEnd func(ctx context.Context, subject string)
}

// Service is safe for concurrent use, and any number of them may share a database.
type Service struct {
	db     *db.DB
	random io.Reader
	log    *slog.Logger
	params argon2id.Params
	dummy  storedHash    // what unknown users are checked against
	slots  chan struct{} // one per password being checked
	onHash func()        // tests count with it
	onEnd  func(context.Context, string)
}

// New touches no database.
func New(cfg Config) *Service { return newService(cfg, production) }

func newService(cfg Config, params argon2id.Params) *Service {
	s := &Service{
		db: cfg.DB, random: cfg.Random, log: cfg.Logger, params: params, dummy: dummyHash(params),
		slots:  make(chan struct{}, min(maxHashing, runtime.GOMAXPROCS(0))),
		onHash: func() {},
		onEnd:  cfg.OnEnd,
	}
	if s.onEnd == nil {
		s.onEnd = func(context.Context, string) {}
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s
}

// dummyHash has a key that no password is known to give, so making it costs no hash.
func dummyHash(p argon2id.Params) storedHash {
	salt, key := make([]byte, p.SaltLength), make([]byte, p.KeyLength)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	_, _ = rand.Read(key)
	enc := base64.RawStdEncoding
	return storedHash{params: &p, text: fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s",
		p.Memory, p.Iterations, p.Parallelism, enc.EncodeToString(salt), enc.EncodeToString(key))}
}

// errCredentials is the one answer to a wrong name, a wrong password and a disabled user.
var errCredentials = oauth.Errorf(oauth.InvalidCredentials, "user name or password is wrong")

// Authenticate checks a password. A refusal has one of the codes
// [oauth.InvalidCredentials], for every reason that has to do with the user, after the
// same work for each; [oauth.TooManyAttempts] with a RetryAfter, before the password is
// looked at; [oauth.TemporarilyUnavailable] when too many wait.
//
// The attempt stays counted until a family is inserted with the result's Account. An
// account whose hash came from another system takes another time until its first sign-in.
func (s *Service) Authenticate(ctx context.Context, name, password string) (oauth.Authentication, error) {
	return s.AuthenticateIn(ctx, "", name, password)
}

// AuthenticateIn is Authenticate in a browser, known by a secret of its own, "" for none. Where
// the user has signed in in it before, its attempts count apart: whoever fails on purpose
// elsewhere keeps nobody out of their own browser (B-11).
func (s *Service) AuthenticateIn(ctx context.Context, browser, name, password string) (oauth.Authentication, error) {
	user, err := parseUsername(name)
	if err != nil {
		return oauth.Authentication{}, errCredentials.Because("nobody can have this name")
	}
	if len(password) > maxPasswordBytes || !utf8.ValidString(password) {
		return oauth.Authentication{}, errCredentials.Because("nobody can have this password")
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return oauth.Authentication{}, err
	}
	defer leave()
	return s.authenticate(ctx, browser, user, password)
}

// authenticate reserves before it verifies: however many guesses arrive at once, only
// those that the throttle let through are evaluated.
func (s *Service) authenticate(ctx context.Context, browser string, user username, password string) (oauth.Authentication, error) {
	attempt, err := s.db.ReserveAttempt(ctx, user.account(), user.browser(browser), user.key)
	if err != nil {
		return oauth.Authentication{}, fmt.Errorf("authenticate: %w", err)
	}
	if !attempt.Allowed {
		return oauth.Authentication{}, &oauth.Error{
			Code: oauth.TooManyAttempts, Description: "too many attempts for this user name, try again later",
			Rule: "account throttled", RetryAfter: attempt.RetryAfter,
		}
	}
	if err := s.verify(ctx, attempt, password); err != nil {
		return oauth.Authentication{}, err
	}
	who := oauth.Authentication{
		Subject: attempt.Subject, Epoch: attempt.Epoch, Time: attempt.Now,
		AMR: []string{"pwd"}, KnownBrowser: user.browser(browser), Name: user.shown,
	}
	if !attempt.Known { // else it says nothing about the failures elsewhere
		who.Account = user.account()
	}
	return who, nil
}

// verify evaluates exactly one hash, and a second one only for whoever knew the password.
func (s *Service) verify(ctx context.Context, a db.Attempt, password string) error {
	hash, rule := s.hashOf(ctx, a)
	s.onHash()
	matches, err := hash.matches(password)
	if err != nil {
		s.log.ErrorContext(ctx, "stored password hash cannot be used", "sub", a.Subject, "err", err)
	}
	switch {
	case rule != "":
		return errCredentials.Because(rule)
	case !matches:
		return errCredentials.Because("wrong password")
	case a.Disabled:
		return errCredentials.Because("user is disabled")
	}
	s.rehash(ctx, a, hash, password)
	return nil
}

// hashOf returns the dummy, and why, where there is no hash that could be evaluated.
func (s *Service) hashOf(ctx context.Context, a db.Attempt) (storedHash, string) {
	if a.Subject == "" {
		return s.dummy, "unknown user"
	}
	hash, err := parseHash(a.PasswordHash)
	if err != nil {
		s.log.ErrorContext(ctx, "stored password hash cannot be used", "sub", a.Subject, "err", err)
		return s.dummy, "stored password hash cannot be used"
	}
	return hash, ""
}

// rehash brings an outdated hash to the live parameters. It is no part of the sign-in,
// which succeeds without: the next one tries again.
func (s *Service) rehash(ctx context.Context, a db.Attempt, hash storedHash, password string) {
	if !hash.outdated(s.params) {
		return
	}
	after, err := s.hash(password)
	if err == nil {
		_, err = s.db.Rehash(ctx, a.Subject, a.PasswordHash, after)
	}
	if err != nil {
		s.log.WarnContext(ctx, "password was not rehashed", "sub", a.Subject, "err", err)
	}
}

func (s *Service) hash(password string) (string, error) {
	s.onHash()
	h, err := argon2id.CreateHash(normalise(password), &s.params)
	if err != nil {
		return "", errors.New("no randomness for a salt")
	}
	return h, nil
}

// enter waits for a turn, first come first served. It comes before the attempt is
// counted, so that a busy server locks nobody out.
func (s *Service) enter(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(maxQueue)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-timer.C:
		return nil, oauth.Busy.Because("password queue is full")
	case <-ctx.Done():
		return nil, oauth.Busy.Because("request ended in the password queue")
	}
}
