package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/oauth"
)

// NewUser is what is known of somebody who gets an account.
type NewUser struct {
	Username string
	Password string
	Email    string // optional, not verified
	Name     string // optional
}

const maxProfileBytes = 320 // the longest e-mail address: 64 + "@" + 255

// Register creates a user at the user's own wish and signs it in. Its refusals are those
// of [Service.CreateUser].
func (s *Service) Register(ctx context.Context, u NewUser) (oauth.Authentication, error) {
	user, err := s.CreateUser(ctx, u)
	if err != nil {
		return oauth.Authentication{}, err
	}
	name, err := parseUsername(u.Username)
	if err != nil {
		return oauth.Authentication{}, err
	}
	return oauth.Authentication{
		Subject: user.Subject, Time: user.CreatedAt, AMR: []string{"pwd"}, Account: name.account(), Name: user.Username,
	}, nil
}

// CreateUser refuses with [oauth.InvalidRequest] a name or profile that nobody can have,
// with [oauth.WeakPassword] a password that is too easy, saying what is wanted, and with
// [oauth.UsernameTaken] a name that is the same as another's in canonical form.
func (s *Service) CreateUser(ctx context.Context, u NewUser) (oauth.User, error) {
	name, err := u.check()
	if err != nil {
		return oauth.User{}, err
	}
	if err := checkNewPassword(u.Password, name.key, u.Email, u.Name); err != nil {
		return oauth.User{}, err
	}
	hash, err := s.hashInTurn(ctx, u.Password)
	if err != nil {
		return oauth.User{}, err
	}
	return s.insert(ctx, name, u, hash)
}

// ImportUser is CreateUser for somebody whose password only another system knew: hash is
// a PHC string of Argon2id or a bcrypt hash, and u.Password is not looked at. The first
// sign-in rehashes it. It refuses a hash that could not be checked with
// [oauth.InvalidRequest].
func (s *Service) ImportUser(ctx context.Context, u NewUser, hash string) (oauth.User, error) {
	name, err := u.check()
	if err != nil {
		return oauth.User{}, err
	}
	if _, err := parseHash(hash); err != nil {
		return oauth.User{}, oauth.Errorf(oauth.InvalidRequest, "password hash must be argon2id or bcrypt, within bounds")
	}
	return s.insert(ctx, name, u, hash)
}

func (u NewUser) check() (username, error) {
	if len(u.Email) > maxProfileBytes || len(u.Name) > maxProfileBytes || !oauth.IsText(u.Email) || !oauth.IsText(u.Name) {
		return username{}, oauth.Errorf(oauth.InvalidRequest,
			"email and name must be UTF-8 without control characters, at most %d bytes", maxProfileBytes)
	}
	return parseUsername(u.Username)
}

func (s *Service) insert(ctx context.Context, name username, u NewUser, hash string) (oauth.User, error) {
	sub, err := oauth.NewSubject(s.random)
	if err != nil {
		return oauth.User{}, err
	}
	user, err := s.db.InsertUser(ctx, oauth.User{
		Subject: sub, Username: name.shown, Email: u.Email, Name: u.Name,
	}, name.key, hash)
	if errors.Is(err, db.ErrExists) {
		return oauth.User{}, oauth.Errorf(oauth.UsernameTaken, "user name is taken")
	}
	if err != nil {
		return oauth.User{}, fmt.Errorf("create user: %w", err)
	}
	return user, nil
}

func (s *Service) hashInTurn(ctx context.Context, password string) (string, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hash(password)
}

// ChangePassword is throttled and refused as [Service.AuthenticateIn] is, and refuses
// newPassword with [oauth.WeakPassword] before it looks at the old one. It ends all that
// was granted to the user; the result is of the new epoch and begins anew. A revocation,
// or another change, that comes between check and change makes it
// [oauth.InvalidCredentials], and nothing changes.
func (s *Service) ChangePassword(ctx context.Context, browser, name, password, newPassword string) (oauth.Authentication, error) {
	if err := checkNewPassword(newPassword, name); err != nil {
		return oauth.Authentication{}, err
	}
	auth, err := s.AuthenticateIn(ctx, browser, name, password)
	if err != nil {
		return oauth.Authentication{}, err
	}
	changed, err := s.replace(ctx, name, newPassword, &auth.Epoch)
	if errors.Is(err, db.ErrNotFound) {
		return oauth.Authentication{}, errCredentials.Because("epoch moved between check and change")
	}
	auth.Epoch = changed.Epoch
	return auth, err
}

// SetPassword is the operator's: it needs no old password, ends all that was granted to
// the user and lifts the throttle. It returns [db.ErrNotFound] for an unknown user and
// [oauth.WeakPassword] as [Service.CreateUser] does.
func (s *Service) SetPassword(ctx context.Context, name, newPassword string) error {
	if err := checkNewPassword(newPassword, name); err != nil {
		return err
	}
	_, err := s.replace(ctx, name, newPassword, nil)
	return err
}

func (s *Service) replace(ctx context.Context, name, password string, epoch *int64) (db.PasswordChanged, error) {
	user, err := parseUsername(name)
	if err != nil {
		return db.PasswordChanged{}, db.ErrNotFound
	}
	hash, err := s.hashInTurn(ctx, password)
	if err != nil {
		return db.PasswordChanged{}, err
	}
	changed, err := s.db.ChangePassword(ctx, db.PasswordChange{
		Key: user.key, Account: user.account(), PasswordHash: hash, Epoch: epoch,
	})
	if err != nil {
		return db.PasswordChanged{}, fmt.Errorf("change password: %w", err)
	}
	s.onEnd(ctx, changed.Subject)
	return changed, nil
}

// User returns [db.ErrNotFound] for a name that nobody has or can have.
func (s *Service) User(ctx context.Context, name string) (oauth.User, error) {
	user, err := parseUsername(name)
	if err != nil {
		return oauth.User{}, db.ErrNotFound
	}
	return s.db.User(ctx, user.key)
}

// Users returns all users by name.
func (s *Service) Users(ctx context.Context) ([]oauth.User, error) { return s.db.Users(ctx) }

// Disable ends all that was granted to the user and refuses sign-ins until
// [Service.Enable]. It returns [db.ErrNotFound] for an unknown user.
func (s *Service) Disable(ctx context.Context, name string) error {
	user, err := s.User(ctx, name)
	if err != nil {
		return err
	}
	if err := s.db.DisableSubject(ctx, user.Subject); err != nil {
		return err
	}
	s.onEnd(ctx, user.Subject)
	return nil
}

// Enable lets the user sign in again. It returns [db.ErrNotFound] for an unknown user.
func (s *Service) Enable(ctx context.Context, name string) error {
	user, err := s.User(ctx, name)
	if err != nil {
		return err
	}
	return s.db.EnableSubject(ctx, user.Subject)
}
