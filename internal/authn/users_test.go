package authn

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/oauth"
)

const changed = "zebra pluma marina lantern"

// S3-08: registering.
func TestRegister(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		user NewUser
		want oauth.Code
	}{
		{"a name, a password", NewUser{Username: "bob", Password: right}, ""},
		{"all of it", NewUser{Username: "bob", Password: right, Email: "bob@example.com", Name: "Bob Bobson"}, ""},
		{"name taken", NewUser{Username: "alice", Password: right}, oauth.UsernameTaken},
		{"name taken in another spelling", NewUser{Username: "ＡＬＩＣＥ ", Password: right}, oauth.UsernameTaken},
		{"name with a zero width space", NewUser{Username: "ali\u200bce", Password: right}, oauth.InvalidRequest},
		{"name with a look-alike", NewUser{Username: "аlice", Password: right}, oauth.InvalidRequest},
		{"no name", NewUser{Password: right}, oauth.InvalidRequest},
		{"no password", NewUser{Username: "bob"}, oauth.WeakPassword},
		{"common password", NewUser{Username: "bob", Password: "password1234567"}, oauth.WeakPassword},
		{"password of one's own name", NewUser{Username: "bob", Password: "Bob Bobson 2026", Name: "Bob Bobson"}, oauth.WeakPassword},
		{"NUL in the profile", NewUser{Username: "bob", Password: right, Name: "a\x00b"}, oauth.InvalidRequest},
		{"profile too long", NewUser{Username: "bob", Password: right, Email: strings.Repeat("a", 321)}, oauth.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			r := newReplica(t, pool)
			r.create(t, "alice")

			auth, err := r.Register(t.Context(), tt.user)

			if got := code(t, err); got != tt.want {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err == nil && grant(t, pool, auth) != nil {
				t.Error("the registration leads to no family")
			}
		})
	}
}

// B-18: the unique index decides.
func TestRegisterConcurrently(t *testing.T) {
	t.Parallel()
	r := newReplica(t, dbtest.New(t))
	var made, taken atomic.Int32

	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			name := []string{"alice", "Alice", "ａｌｉｃｅ", "alice "}[i%4]
			_, err := r.Register(t.Context(), NewUser{Username: name, Password: right})
			switch code(t, err) {
			case "":
				made.Add(1)
			case oauth.UsernameTaken:
				taken.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if made.Load() != 1 || taken.Load() != 11 {
		t.Errorf("%d made, %d refused, want 1 and 11", made.Load(), taken.Load())
	}
}

func TestImportRefusesHashesThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	r := newReplica(t, dbtest.New(t))

	_, err := r.ImportUser(t.Context(), NewUser{Username: "alice"}, "$argon2id$v=19$m=4194304,t=1,p=1$"+salt16+"$"+key32)

	if got := code(t, err); got != oauth.InvalidRequest {
		t.Errorf("got %v, want invalid_request", err)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")

	auth, err := r.ChangePassword(t.Context(), "", "alice", right, changed)
	if err != nil {
		t.Fatal(err)
	}

	if auth.Epoch != 1 {
		t.Errorf("epoch %d, want 1", auth.Epoch)
	}
	if err := grant(t, pool, auth); err != nil {
		t.Errorf("the change leads to no family: %v", err)
	}
	if _, err := r.Authenticate(t.Context(), "alice", right); code(t, err) != oauth.InvalidCredentials {
		t.Errorf("the old password: got %v, want invalid_credentials", err)
	}
	if _, err := r.Authenticate(t.Context(), "alice", changed); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestChangePasswordIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, username, password, newPassword string
		want                                  oauth.Code
	}{
		{"wrong password", "alice", wrong, changed, oauth.InvalidCredentials},
		{"unknown user", "nobody", right, changed, oauth.InvalidCredentials},
		{"disabled user", "disabled", right, changed, oauth.InvalidCredentials},
		{"weak new password", "alice", right, "password1234567", oauth.WeakPassword},
		{"the user name as new password", "alice", right, "alicealicealice", oauth.WeakPassword},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReplica(t, dbtest.New(t))
			r.create(t, "alice")
			r.create(t, "disabled")
			if err := r.Disable(t.Context(), "disabled"); err != nil {
				t.Fatal(err)
			}

			_, err := r.ChangePassword(t.Context(), "", tt.username, tt.password, tt.newPassword)

			if got := code(t, err); got != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
				t.Errorf("the password has changed all the same: %v", err)
			}
		})
	}
}

func TestChangePasswordIsThrottledLikeALogin(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	dbtest.StopClock(t, pool, noon)
	r.fail(t, "alice", 3)
	for range 2 {
		if _, err := r.ChangePassword(t.Context(), "", "alice", wrong, changed); code(t, err) != oauth.InvalidCredentials {
			t.Fatal(err)
		}
	}

	r.evaluated()
	_, err := r.ChangePassword(t.Context(), "", "alice", right, changed)

	if code(t, err) != oauth.TooManyAttempts || r.evaluated() != 0 {
		t.Errorf("got %v, want too_many_attempts without a hash", err)
	}
}

// A sign-in that verified the old password just before the change begins no family.
func TestPasswordChangeKillsASignInUnderWay(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	underWay, err := r.Authenticate(t.Context(), "alice", right)
	if err != nil {
		t.Fatal(err)
	}

	auth, err := r.ChangePassword(t.Context(), "", "alice", right, changed)
	if err != nil {
		t.Fatal(err)
	}

	if err := grant(t, pool, underWay); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("the sign-in under way: got %v, want ErrNotFound", err)
	}
	if err := grant(t, pool, auth); err != nil {
		t.Errorf("the new sign-in: %v", err)
	}
}

// Whoever knows only the old password cannot change it once more.
func TestOnePasswordChangeOfManyWins(t *testing.T) {
	t.Parallel()
	r := newReplica(t, dbtest.New(t))
	for round := range 5 {
		name := fmt.Sprintf("user%d", round)
		r.create(t, name)
		var won atomic.Int32

		var wg sync.WaitGroup
		for i := range 4 { // one less than the throttle would notice
			wg.Go(func() {
				_, err := r.ChangePassword(t.Context(), "", name, right, fmt.Sprintf("%s %d", changed, i))
				switch code(t, err) {
				case "":
					won.Add(1)
				case oauth.InvalidCredentials:
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()

		if won.Load() != 1 {
			t.Errorf("%d changes won, want 1", won.Load())
		}
	}
}

// W-16: there is no reset by mail; the operator sets a new password, which is good at once, and
// ends all that came of the old one.
func TestSetPasswordLiftsTheThrottleAndEndsGrants(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	before, err := r.Authenticate(t.Context(), "alice", right)
	if err != nil {
		t.Fatal(err)
	}
	dbtest.StopClock(t, pool, noon)
	r.fail(t, "alice", 4)

	if err := r.SetPassword(t.Context(), "ALICE", changed); err != nil {
		t.Fatal(err)
	}

	after, err := r.Authenticate(t.Context(), "alice", changed)
	if err != nil || after.Epoch != 1 {
		t.Errorf("got epoch %d, %v, want 1", after.Epoch, err)
	}
	if err := grant(t, pool, before); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("grant of the old epoch: got %v, want ErrNotFound", err)
	}
}

func TestDisabledUser(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	r := newReplica(t, pool)
	r.create(t, "alice")
	underWay, err := r.Authenticate(t.Context(), "alice", right)
	if err != nil {
		t.Fatal(err)
	}

	if err := r.Disable(t.Context(), "Alice"); err != nil {
		t.Fatal(err)
	}

	if _, err := r.Authenticate(t.Context(), "alice", right); code(t, err) != oauth.InvalidCredentials {
		t.Errorf("got %v, want invalid_credentials", err)
	}
	if err := r.Enable(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if err := grant(t, pool, underWay); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("the sign-in that was under way: got %v, want ErrNotFound", err)
	}
	if _, err := r.Authenticate(t.Context(), "alice", right); err != nil {
		t.Errorf("after Enable: %v", err)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	r := newReplica(t, dbtest.New(t))
	bob, alice := r.create(t, "bob"), r.create(t, "Alice")

	got, err := r.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]oauth.User{alice, bob}, got); diff != "" {
		t.Errorf("users differ (-want +got):\n%s", diff)
	}
	if one, err := r.User(t.Context(), "ALICE"); err != nil || !cmp.Equal(one, alice) {
		t.Errorf("got %+v, %v, want %+v", one, err, alice)
	}
}

func TestUnknownUserIsNotFound(t *testing.T) {
	t.Parallel()
	r := newReplica(t, dbtest.New(t))
	for _, name := range []string{"nobody", "no body"} {
		_, err := r.User(t.Context(), name)
		for call, err := range map[string]error{
			"User":        err,
			"Disable":     r.Disable(t.Context(), name),
			"Enable":      r.Enable(t.Context(), name),
			"SetPassword": r.SetPassword(t.Context(), name, changed),
		} {
			if !errors.Is(err, db.ErrNotFound) {
				t.Errorf("%s(%q): got %v, want ErrNotFound", call, name, err)
			}
		}
	}
}
