package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// account is the user that PostgreSQL runs as.
type account struct {
	uid, gid int
	drop     bool // this process is root, and PostgreSQL refuses root
}

// accountFor returns this process's own user; for root the owner of cluster
// where that exists (empty: it does not), else postgres, else nobody.
func accountFor(cluster string) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uid, gid: os.Getegid()}, nil
	}
	if cluster != "" {
		uid, gid, err := owner(cluster)
		if err != nil {
			return account{}, err
		}
		if uid == 0 {
			return account{}, fmt.Errorf("cluster %s belongs to root, as whom PostgreSQL does not run", cluster)
		}
		return account{uid, gid, true}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return accountOf(u)
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return account{int(uid), int(gid), true}, nil
}

func owner(path string) (uid, gid int, err error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return 0, 0, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("owner of %s is unknown", path)
	}
	return int(st.Uid), int(st.Gid), nil
}

// command runs as the account, in its own process group so that Ctrl-C at a
// terminal reaches authd alone, which ends PostgreSQL in order. It inherits no
// secret of the environment; the end of ctx kills the whole group.
func (a account) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// environment keeps what finding programs and libraries needs. PG… variables
// would change what initdb and postgres do, LC_ALL fixes the language of logs
// and is needed on macOS.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// reaches asks the kernel whether the account can enter dir, which answers for
// every folder above it, access lists included.
func (a account) reaches(ctx context.Context, b binaries, dir string) bool {
	cmd := a.command(ctx, b.path("postgres"), "--version")
	cmd.Dir = dir // entered after the change of user
	return cmd.Run() == nil
}

// mkdir makes a folder for the account alone.
func (a account) mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return a.own(path)
}

func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// run is command with input, and with the end of its output in the error.
func (a account) run(ctx context.Context, input, path string, args ...string) error {
	cmd := a.command(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", path, errors.Join(err, ctx.Err()), lastLines(out))
	}
	return nil
}

func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}
