package pglocal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// closedHome has the clusters of data directories which the server's user cannot reach.
	closedHome = "/var/lib/authd"
	// maxSocket is the longest path of a socket on macOS; Linux has 107.
	maxSocket = 103
)

// prepareDataDir returns the real path of dir, which it creates where absent.
func prepareDataDir(dir string) (string, error) {
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // the cluster in it belongs to another user
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", fmt.Errorf("creating the data directory: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return filepath.Abs(real)
}

// openOwn opens a file of a data directory, and makes it where absent: 0600, and
// for root with the owner of the directory, who may be the next to start authd.
// It follows no symbolic link.
func openOwn(path string, flag int) (*os.File, error) {
	flag |= syscall.O_NOFOLLOW
	f, err := os.OpenFile(path, flag|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(path, flag, 0)
	}
	if err != nil || os.Geteuid() != 0 {
		return f, err
	}
	uid, gid, err := owner(filepath.Dir(path))
	if err == nil {
		err = f.Chown(uid, gid)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// shortName stands for a data directory in places that are shared or need a short path.
func shortName(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return hex.EncodeToString(sum[:6])
}

// socketDir makes or checks the folder of the socket. It lies outside the data
// directory because the path of a socket may have 107 bytes only. Its parent
// may be open to all, so a folder that somebody else made, or can enter, or a
// symbolic link, is refused.
func socketDir(dataDir string, a account) (string, error) {
	dir := filepath.Join(socketHome(a, os.Getenv("XDG_RUNTIME_DIR")), "authd-"+shortName(dataDir))
	err := a.mkdir(dir)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return dir, err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if fi.Mode() != fs.ModeDir|0o700 {
		return "", fmt.Errorf("socket folder %s is %v and not a directory of mode 0700: remove it", dir, fi.Mode())
	}
	uid, _, err := owner(dir)
	switch {
	case err != nil:
		return "", err
	case uid == a.uid:
		return dir, nil
	case a.drop && uid == os.Geteuid(): // root was ended before it gave the folder away
		return dir, a.own(dir)
	}
	return "", fmt.Errorf("socket folder %s belongs to uid %d and not to uid %d: remove it", dir, uid, a.uid)
}

// socketHome is runtimeDir ($XDG_RUNTIME_DIR), and /tmp where that is not set, is
// too long, or belongs to another user than the server's.
func socketHome(a account, runtimeDir string) string {
	tooLong := len(runtimeDir)+len("/authd-0123456789ab/.s.PGSQL.5432") > maxSocket
	if uid, _, err := owner(runtimeDir); err != nil || uid != a.uid || tooLong || !filepath.IsAbs(runtimeDir) {
		return "/tmp"
	}
	return runtimeDir
}

// removeSocketDir leaves no empty folder behind; the next start makes a new one.
func removeSocketDir(dir string) { _ = os.Remove(dir) }

// placeFor chooses where a new cluster of dataDir lies.
func placeFor(dataDir string, reachable bool) (string, error) {
	if reachable {
		return filepath.Join(dataDir, "postgres"), nil
	}
	if err := os.MkdirAll(closedHome, 0o711); err != nil {
		return "", err
	}
	fi, err := os.Lstat(closedHome)
	if err != nil {
		return "", err
	}
	if uid, _, err := owner(closedHome); err != nil || uid != os.Geteuid() || fi.Mode()&0o022 != 0 || !fi.IsDir() {
		return "", fmt.Errorf("%s is not a directory that only root can write", closedHome)
	}
	return filepath.Join(closedHome, shortName(dataDir)), nil
}
