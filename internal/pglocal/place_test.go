package pglocal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mktemp -d as root makes a folder which the server's user cannot enter.
func TestClosedParent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dirFor(t, 0o700), "data")
	outside := filepath.Join(closedHome, shortName(dir))
	t.Cleanup(func() { _ = os.RemoveAll(outside); _ = os.RemoveAll(outside + ".old") })
	s := start(t, config(dir))
	store(t, s)
	want := filepath.Join(dir, "postgres")
	if os.Geteuid() == 0 {
		want = outside
	}
	st, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if st.Cluster != want || s.running.cluster != want {
		t.Errorf("cluster in %s, want %s", st.Cluster, want)
	}
	stop(t, s)
	s = start(t, config(dir))
	stored(t, s)
	stop(t, s)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s = start(t, config(dir))
	if got := query(t, s, "select count(*)::text from pg_tables where tablename = 'kept'"); got != "0" {
		t.Error("the data of a removed data directory came back")
	}
	if os.Geteuid() == 0 && !isCluster(outside+".old") {
		t.Error("the cluster of a removed data directory was not put aside")
	}
}

func TestRemoveLeavesNoClusterBehind(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]os.FileMode{"in the data directory": 0o711, "outside of it": 0o700} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(filepath.Join(dirFor(t, mode), "data"))
			s := start(t, cfg)
			beside, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := beside.Remove(); err != nil || !isCluster(s.running.cluster) {
				t.Errorf("beside a server: %v, the cluster is there: %v", err, isCluster(s.running.cluster))
			}

			err = s.Remove()

			if _, statErr := os.Stat(s.running.cluster); err != nil || !os.IsNotExist(statErr) {
				t.Errorf("got %v, and for the cluster %v", err, statErr)
			}
		})
	}
}

func TestLongAndStrangePath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dirFor(t, 0o755), strings.Repeat("long/", 30), `with 'all' "sorts" [of] $signs *`)
	s := start(t, config(dir))
	store(t, s)
	stop(t, s)
	stored(t, start(t, config(dir)))
}

func TestFilesBelongToTheOwnerOfTheirFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := os.Geteuid()
	if want == 0 { // root works in the data directory of a user
		want = 12345
		if err := os.Chown(dir, want, want); err != nil {
			t.Fatal(err)
		}
	}
	l, err := tryLock(filepath.Join(dir, "lock"), command)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	log, err := openLog(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := writeState(dir, state{Port: port}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", "postgres.log", stateFile} {
		if uid, _, err := owner(filepath.Join(dir, name)); err != nil || uid != want {
			t.Errorf("%s belongs to uid %d (%v), want %d", name, uid, err, want)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := openOwn(filepath.Join(dir, "link"), os.O_RDONLY); err == nil {
		t.Error("a symbolic link is followed")
	}
}

func TestSocketFolder(t *testing.T) {
	t.Parallel()
	me := account{uid: os.Geteuid(), gid: os.Getegid()}
	other := account{uid: os.Geteuid() + 1, gid: os.Getegid()}
	for name, c := range map[string]struct {
		account account
		make    func(path string) error
		refused string
	}{
		"a new one is made":             {me, func(string) error { return nil }, ""},
		"our own is used":               {me, func(p string) error { return os.Mkdir(p, 0o700) }, ""},
		"one open to others is refused": {me, func(p string) error { return mkdirMode(p, 0o755) }, "mode 0700"},
		"a file is refused":             {me, func(p string) error { return os.WriteFile(p, nil, 0o700) }, "not a directory"},
		"a symbolic link is refused":    {me, func(p string) error { return os.Symlink("/tmp", p) }, "not a directory"},
		"another user's is refused":     {other, func(p string) error { return os.Mkdir(p, 0o700) }, "belongs to uid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dataDir := t.TempDir()
			path := filepath.Join(socketHome(c.account, os.Getenv("XDG_RUNTIME_DIR")), "authd-"+shortName(dataDir))
			t.Cleanup(func() { _ = os.Remove(path) })
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			got, err := socketDir(dataDir, c.account)
			switch {
			case c.refused == "" && (err != nil || got != path):
				t.Errorf("folder %s (%v), want %s", got, err, path)
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("error %v, want one with %q", err, c.refused)
			}
		})
	}
}

func mkdirMode(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func TestSocketHome(t *testing.T) {
	t.Parallel()
	me := account{uid: os.Geteuid()}
	mine := dirFor(t, 0o700)
	long := filepath.Join(mine, strings.Repeat("x", 80))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		account account
		runtime string
		want    string
	}{
		"the server's own runtime folder":       {me, mine, mine},
		"none":                                  {me, "", "/tmp"},
		"one that is not there":                 {me, mine + "/none", "/tmp"},
		"another user's, as under sudo":         {account{uid: os.Geteuid() + 1}, mine, "/tmp"},
		"one too long for the path of a socket": {me, long, "/tmp"},
		"one that is not absolute":              {me, ".", "/tmp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := socketHome(c.account, c.runtime); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	a, err := accountFor("")
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		if a.uid != os.Geteuid() || a.drop {
			t.Errorf("account %+v, want our own", a)
		}
		return
	}
	if a.uid == 0 || !a.drop {
		t.Errorf("account %+v, want one that is not root", a)
	}
	dir := t.TempDir()
	if _, err := accountFor(dir); err == nil {
		t.Error("a cluster of root is accepted")
	}
	if err := os.Chown(dir, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	if a, err := accountFor(dir); err != nil || a != (account{12345, 23456, true}) {
		t.Errorf("account %+v (%v), want the owner of the cluster", a, err)
	}
}
