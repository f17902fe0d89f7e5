package pglocal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// unfinished is within the names of clusters that initdb works on.
const unfinished = ".new-"

// cluster is a PGDATA with the binaries of its version and the user who owns it.
type cluster struct {
	dir     string
	logPath string
	account account
	bin     binaries
}

// prepareCluster finds the cluster of a data directory or makes it. The caller
// holds the lock.
func prepareCluster(ctx context.Context, cfg Config, dataDir string) (state, cluster, error) {
	st, err := recallState(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return newCluster(ctx, cfg, dataDir)
	}
	if err != nil {
		return st, cluster{}, err
	}
	if st.Cluster, err = locate(dataDir, st.Cluster); err != nil {
		return st, cluster{}, err
	}
	c := cluster{dir: st.Cluster, logPath: filepath.Join(dataDir, "postgres.log")}
	if c.account, err = accountFor(c.dir); err != nil {
		return st, c, err
	}
	major, err := majorOf(c.dir)
	if err != nil {
		return st, c, err
	}
	if c.bin, err = findBinaries(ctx, cfg.binDirs(), c.account, major); err != nil {
		return st, c, err
	}
	if !c.account.reaches(ctx, c.bin, c.dir) {
		err = fmt.Errorf("uid %d, who owns cluster %s, cannot reach it: open the folders above it (chmod o+x)", c.account.uid, c.dir)
	}
	return st, c, err
}

// recallState reads postgres.json. A first start that was killed between its
// two renames (see newCluster) is brought to its end here.
func recallState(dataDir string) (state, error) {
	st, err := readState(dataDir)
	if !errors.Is(err, fs.ErrNotExist) {
		return st, err
	}
	pending, pendingErr := readStateFile(filepath.Join(dataDir, pendingFile))
	if pendingErr != nil || !isCluster(pending.Cluster) {
		return st, err
	}
	return pending, commitPending(dataDir)
}

// locate returns where the cluster is: as recorded, or in a data directory that moved.
func locate(dataDir, recorded string) (string, error) {
	for _, dir := range []string{recorded, filepath.Join(dataDir, "postgres")} {
		if isCluster(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the cluster %s is gone: restore it, or remove %s to begin with an empty one",
		recorded, filepath.Join(dataDir, stateFile))
}

func isCluster(dir string) bool { return isFile(filepath.Join(dir, "PG_VERSION")) }

func majorOf(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("version of cluster %s: %w", dir, err)
	}
	return major, nil
}

// newCluster makes a cluster beside its place and renames it, so that a start
// which is killed at any point leaves either no cluster or a whole one:
// postgres.json.new, then the cluster, then postgres.json.
func newCluster(ctx context.Context, cfg Config, dataDir string) (state, cluster, error) {
	st := state{Port: port, Database: dbName, Role: roleName, Password: rand.Text()}
	c := cluster{logPath: filepath.Join(dataDir, "postgres.log")}
	var err error
	if c.account, err = accountFor(""); err != nil {
		return st, c, err
	}
	if c.bin, err = findBinaries(ctx, cfg.binDirs(), c.account, 0); err != nil {
		return st, c, err
	}
	if c.dir, err = placeFor(dataDir, c.account.reaches(ctx, c.bin, dataDir)); err != nil {
		return st, c, err
	}
	st.Cluster = c.dir
	if err := c.clearPlace(cfg.Logger, dataDir); err != nil {
		return st, c, err
	}
	made, err := c.initdb(ctx, st.Password, cfg.UnsafeNoSync)
	if err != nil {
		return st, c, fmt.Errorf("making a cluster: %w", err)
	}
	err = commitCluster(dataDir, made, st)
	cfg.Logger.InfoContext(ctx, "made a private PostgreSQL cluster", "dir", c.dir, "version", c.bin.major)
	return st, c, err
}

func commitCluster(dataDir, made string, st state) error {
	if err := writePending(dataDir, st); err != nil {
		return err
	}
	if err := os.Rename(made, st.Cluster); err != nil {
		return fmt.Errorf("moving the new cluster to its place: %w", err)
	}
	if err := syncDir(filepath.Dir(st.Cluster)); err != nil {
		return err
	}
	return commitPending(dataDir)
}

// clearPlace removes what interrupted starts left. A cluster without
// postgres.json has lost its password: one within the data directory is the
// user's to decide about, one outside is what a removed data directory left
// behind, and is kept under another name until that happens again.
func (c cluster) clearPlace(log *slog.Logger, dataDir string) error {
	if err := c.removeLeftovers(); err != nil {
		return err
	}
	if !isCluster(c.dir) {
		return nil
	}
	if filepath.Dir(c.dir) == dataDir {
		return fmt.Errorf("cluster %s has lost %s: restore that file, or move the cluster away to begin with an empty one",
			c.dir, filepath.Join(dataDir, stateFile))
	}
	if pm := findPostmaster(c.dir); pm != nil {
		if err := pm.stop(); err != nil {
			return err
		}
	}
	old := c.dir + ".old"
	log.Warn("data directory was removed: its cluster is put aside", "cluster", c.dir, "now", old)
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	return os.Rename(c.dir, old)
}

func (c cluster) removeLeftovers() error {
	parent := filepath.Dir(c.dir)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(c.dir)+unfinished) {
			// An initdb which outlived its authd may still write there.
			_ = os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
	return nil
}

// initdb makes a cluster with role and database authd in a folder next to c.dir.
// Nobody can log in but role authd, over the socket, with its password: the
// superuser of the cluster has no line in pg_hba.conf.
func (c cluster) initdb(ctx context.Context, password string, noSync bool) (_ string, err error) {
	dir := c.dir + unfinished + rand.Text()[:8]
	if err := c.account.mkdir(dir); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	args := []string{"-D", dir, "-U", "postgres", "-E", "UTF8", "--locale=" + localeName(), "--auth=reject", "--no-instructions"}
	if noSync {
		args = append(args, "--no-sync")
	}
	if err := c.account.run(ctx, "", c.bin.path("initdb"), args...); err != nil {
		return "", err
	}
	hba := "local all " + roleName + " scram-sha-256\n"
	if err := overwrite(filepath.Join(dir, "pg_hba.conf"), []byte(hba)); err != nil {
		return "", err
	}
	return dir, c.makeRole(ctx, dir, password, noSync)
}

// overwrite replaces the content of a file in a cluster. It follows no symbolic
// link: the cluster belongs to a user who may do less than this process.
func overwrite(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// localeName is C.UTF-8: the same order of text on every machine. macOS has no
// locale of that name.
func localeName() string {
	if runtime.GOOS == "darwin" {
		return "C"
	}
	return "C.UTF-8"
}

// makeRole uses the stand-alone backend, which needs no server to be up. The
// password goes in by standard input, and statements never come out.
func (c cluster) makeRole(ctx context.Context, dir, password string, noSync bool) error {
	args := append([]string{"--single", "-D", dir}, settings(noSync)...)
	args = append(args, "-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "postgres")
	input := "create role " + roleName + " login createdb password '" + password + "'\n" +
		"create database " + dbName + " owner " + roleName + "\n"
	return c.account.run(ctx, input, c.bin.path("postgres"), args...)
}
