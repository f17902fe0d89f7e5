package authn

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	user := r.create(t, "Alice")

	auth, err := r.Authenticate(t.Context(), " ＡLICE", right)
	if err != nil {
		t.Fatal(err)
	}

	if auth.Subject != user.Subject || auth.Epoch != 0 || auth.Time.IsZero() || len(auth.Account) != 32 {
		t.Errorf("got %+v, want subject %s, epoch 0, a time and an account", auth, user.Subject)
	}
	if err := grant(t, pool, auth); err != nil {
		t.Errorf("the sign-in leads to no family: %v", err)
	}
}

// Whatever is wrong, the answer and the work are the same: time is not measured, what
// takes time is counted.
// S1-06, S1-07, M-10: for an unknown user too.
// B-02.
func TestRefusalsAreOneAnswerAfterTheSameWork(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	newReplica(t, pool).create(t, "alice")
	newReplica(t, pool).create(t, "disabled")
	newReplica(t, pool).create(t, "unusable")
	if err := newReplica(t, pool).Disable(t.Context(), "disabled"); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `update authd.users set password_hash = '' where username_key = 'unusable'`)
	traced, count := tracedPool(t, pool)
	r := newReplica(t, traced)
	tests := []struct{ name, username, password string }{
		{"unknown user", "nobody", right},
		{"wrong password", "alice", wrong},
		{"disabled user, right password", "disabled", right},
		{"disabled user, wrong password", "disabled", wrong},
		{"user whose hash cannot be used", "unusable", right},
	}
	for _, tt := range tests {
		count.n.Store(0)

		_, err := r.Authenticate(t.Context(), tt.username, tt.password)

		if code(t, err) != oauth.InvalidCredentials || err.(*oauth.Error).Description != errCredentials.Description {
			t.Errorf("%s: got %v, want the one answer", tt.name, err)
		}
		if hashes, trips := r.evaluated(), count.n.Load(); hashes != 1 || trips != 1 {
			t.Errorf("%s: %d hashes and %d round trips, want 1 and 1", tt.name, hashes, trips)
		}
	}
}

// B-03: neither a hash nor a question to the database.
func TestPasswordsThatNobodyHasAreNotHashed(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	traced, count := tracedPool(t, pool)
	r := newReplica(t, traced)
	tests := []struct{ name, username, password string }{
		{"1025 bytes", "alice", strings.Repeat("a", 1025)},
		{"a megabyte", "alice", strings.Repeat("a", 1<<20)},
		{"not UTF-8", "alice", right + "\xff"},
		{"a name that nobody can have", "al ice", right},
	}
	for _, tt := range tests {
		_, err := r.Authenticate(t.Context(), tt.username, tt.password)

		if code(t, err) != oauth.InvalidCredentials {
			t.Errorf("%s: got %v, want invalid_credentials", tt.name, err)
		}
		if hashes, trips := r.evaluated(), count.n.Load(); hashes != 0 || trips != 0 {
			t.Errorf("%s: %d hashes and %d round trips, want none", tt.name, hashes, trips)
		}
	}
}

// B-03, B-04, B-05 (D-14: NFC and NFD are one password).
func TestPasswordsAreNeitherCutNorChanged(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("fj3k9dm2wq0zpxrt", 64) // 1024 bytes
	tests := []struct {
		name, password, typed string
		want                  oauth.Code
	}{
		{"1024 bytes", long, long, ""},
		{"another last byte of 1024", long, long[:1023] + "u", oauth.InvalidCredentials},
		{"another byte after the 72nd", long[:80], long[:72] + "xxxxxxxx", oauth.InvalidCredentials},
		{"without what follows the 72nd byte", long[:80], long[:72], oauth.InvalidCredentials},
		{"another case", right, strings.ToUpper(right), oauth.InvalidCredentials},
		{"space at the end", right, right + " ", oauth.InvalidCredentials},
		{"without the space at the beginning", " " + right, right, oauth.InvalidCredentials},
		{"NFD for NFC, SP 800-63B-4 §3.1.1.2", "caf\u00e9 zebra pluma marina", "cafe\u0301 zebra pluma marina", ""},
		{"full width for ASCII, SP 800-63B-4 §3.1.1.2", "zebra pluma marina 7", "ｚebra pluma marina ７", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReplica(t, dbtest.New(t))
			if _, err := r.CreateUser(t.Context(), NewUser{Username: "alice", Password: tt.password}); err != nil {
				t.Fatal(err)
			}

			_, err := r.Authenticate(t.Context(), "alice", tt.typed)

			if got := code(t, err); got != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// B-15.
func TestUnusableHashesRaiseAnAlarm(t *testing.T) {
	t.Parallel()
	const secret = "c29tZXNhbHRzb21lc2FsdA"
	pool := dbtest.New(t)
	var logged bytes.Buffer
	r := newReplicaWith(pool, cheap, slog.New(slog.NewTextHandler(&logged, nil)))
	user := r.create(t, "alice")
	for name, hash := range map[string]string{
		"4 GiB":          "$argon2id$v=19$m=4194304,t=1,p=1$" + secret + "$" + key32,
		"no pass":        "$argon2id$v=19$m=16,t=0,p=1$" + secret + "$" + key32,
		"empty key":      "$argon2id$v=19$m=16,t=1,p=1$" + secret + "$",
		"unknown scheme": "$scrypt$" + secret,
		"truncated":      "$argon2id$v=19$m=16,t=1,p=1$" + secret,
		"empty":          "",
	} {
		exec(t, pool, `update authd.users set password_hash = $1`, hash)
		exec(t, pool, `delete from authd.login_attempts`)
		logged.Reset()

		_, err := r.Authenticate(t.Context(), "alice", right)

		if code(t, err) != oauth.InvalidCredentials {
			t.Errorf("%s: got %v, want invalid_credentials", name, err)
		}
		line := logged.String()
		if !strings.Contains(line, "level=ERROR") || !strings.Contains(line, user.Subject) || strings.Contains(line, secret) {
			t.Errorf("%s: logged %q, want an error that names the subject and nothing of the hash", name, line)
		}
	}
}

// B-16: two at once succeed, and the hash is raised.
func TestParametersThatWereRaised(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	newReplica(t, pool).create(t, "alice")
	raised := cheap
	raised.Memory *= 2
	r := newReplicaWith(pool, raised, slog.New(slog.DiscardHandler))

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	r.evaluated()
	if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
		t.Error(err)
	}
	if n := r.evaluated(); n != 1 {
		t.Errorf("%d hashes at the next sign-in, want 1: the hash was raised already", n)
	}
}

func TestRehashNeverUndoesAPasswordChange(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	name, err := parseUsername("alice")
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.db.ReserveAttempt(t.Context(), name.account(), nil, name.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetPassword(t.Context(), "alice", wrong); err != nil {
		t.Fatal(err)
	}

	after, err := r.hash(right)
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.db.Rehash(t.Context(), before.Subject, before.PasswordHash, after)

	if done || err != nil {
		t.Errorf("got %v, %v, want nothing done", done, err)
	}
	if _, err := r.Authenticate(t.Context(), "alice", right); code(t, err) != oauth.InvalidCredentials {
		t.Errorf("the old password: got %v, want invalid_credentials", err)
	}
}

// S2-32: hashes of an older system go on.
func TestImportedBcryptHashIsReplacedAtTheFirstSignIn(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	hash, err := bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ImportUser(t.Context(), NewUser{Username: "alice"}, string(hash)); err != nil {
		t.Fatal(err)
	}

	if _, err := r.Authenticate(t.Context(), "alice", wrong); code(t, err) != oauth.InvalidCredentials {
		t.Errorf("wrong password: got %v, want invalid_credentials", err)
	}
	if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
		t.Errorf("right password: %v", err)
	}

	var stored string
	if err := pool.QueryRow(t.Context(), `select password_hash from authd.users`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$") {
		t.Errorf("stored is %.8s…, want argon2id", stored)
	}
	if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
		t.Errorf("right password after the rehash: %v", err)
	}
}

func TestFullQueueShedsLoadBeforeAnAttemptIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(Config{}, cheap) // no database: it must not be asked
		for range cap(s.slots) {
			s.slots <- struct{}{}
		}

		_, err := s.Authenticate(t.Context(), "alice", right)

		if got := code(t, err); got != oauth.TemporarilyUnavailable {
			t.Errorf("got %v, want temporarily_unavailable", err)
		}
	})
}

func TestRequestThatEndsInTheQueueIsShed(t *testing.T) {
	t.Parallel()
	s := newService(Config{}, cheap)
	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := s.Authenticate(ctx, "alice", right)

	if got := code(t, err); got != oauth.TemporarilyUnavailable {
		t.Errorf("got %v, want temporarily_unavailable", err)
	}
}
