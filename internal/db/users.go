package db

import (
	"context"
	"errors"

	"github.com/go-authd/authd/internal/oauth"
)

const userColumns = `u.sub as subject, u.username, u.email, u.name, u.created_at, s.disabled_at`

const insertUser = `
insert into authd.users as u (sub, username, username_key, password_hash, email, name)
values ($1, $2, $3, $4, $5, $6)
returning u.sub as subject, u.username, u.email, u.name, u.created_at, null::timestamptz as disabled_at`

// InsertUser adds u, whose canonical name is key. It returns [ErrExists] if the name is
// taken, of which of any number of concurrent calls all but one hear.
func (d *DB) InsertUser(ctx context.Context, u oauth.User, key, passwordHash string) (oauth.User, error) {
	return write[oauth.User](ctx, d, "insert user", insertUser,
		u.Subject, u.Username, key, passwordHash, u.Email, u.Name)
}

const readUser = `
select ` + userColumns + `
from authd.users u left join authd.subjects s on s.subject = u.sub
where u.username_key = $1`

// User reads the user with the canonical name key, or returns [ErrNotFound].
func (d *DB) User(ctx context.Context, key string) (oauth.User, error) {
	return one[oauth.User](ctx, d, "read user", readUser, key)
}

const listUsers = `
select ` + userColumns + `
from authd.users u left join authd.subjects s on s.subject = u.sub
order by u.username_key`

// Users reads all users by name.
func (d *DB) Users(ctx context.Context) ([]oauth.User, error) {
	return all[oauth.User](ctx, d, "list users", listUsers)
}

const rehash = `
update authd.users set password_hash = $3 where sub = $1 and password_hash = $2 returning sub as subject`

// Rehash replaces a hash of the same password, if it is still before; done is false where
// another sign-in or a password change came first.
func (d *DB) Rehash(ctx context.Context, subject, before, after string) (done bool, err error) {
	_, err = write[struct{ Subject string }](ctx, d, "rehash password", rehash, subject, before, after)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// PasswordChange is a new password for the user whose canonical name is Key.
type PasswordChange struct {
	Key          string
	Account      []byte // the throttle's key, whose count ends with the old password
	PasswordHash string
	// Epoch is the one under which the old password was verified; nil changes the
	// password whatever the epoch.
	Epoch *int64
}

// PasswordChanged is what [DB.ChangePassword] made of a user's subject.
type PasswordChanged struct {
	Subject string
	Epoch   int64
}

const changePassword = `
with ended as (
  insert into authd.subjects as s (subject, epoch, ended_at)
  select u.sub, 1, ` + nextSecond + ` from authd.users u where u.username_key = $1
  on conflict (subject) do update set epoch = s.epoch + 1, ended_at = excluded.ended_at
  where $4::bigint is null or s.epoch = $4
  returning s.subject, s.epoch
), cleared as (
  delete from authd.login_attempts where account = $2 and exists (select from ended)
)
update authd.users u set password_hash = $3 from ended where u.sub = ended.subject
returning ended.subject, ended.epoch`

// ChangePassword ends everything that was granted under the old password: the epoch moves
// in the statement that writes the new hash. It returns [ErrNotFound], and changes
// nothing, if there is no such user or its epoch is not c.Epoch any more.
func (d *DB) ChangePassword(ctx context.Context, c PasswordChange) (PasswordChanged, error) {
	return writeCommitted[PasswordChanged](ctx, d, "change password", changePassword, c.Key, c.Account, c.PasswordHash, c.Epoch)
}
