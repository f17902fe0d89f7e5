package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-authd/authd"
)

type kekCmd struct {
	New   kekNewCmd   `cmd:"" help:"Make a key-encryption key."`
	Check kekCheckCmd `cmd:"" help:"Compare the key-encryption keys that are given with those of the database."`
}

type kekNewCmd struct{}

// Help teaches.
func (kekNewCmd) Help() string {
	return `The key seals the private signing keys in the database. Whoever has both can sign tokens; without it the signing keys are lost. Keep it where the database's backups are not.

    (umask 077 && authd kek new > authd.kek)
    authd serve --database-url postgres://… --kek-file authd.kek`
}

// Run prints the key alone, so that it can be redirected into a file.
func (kekNewCmd) Run(a *app) error {
	text, err := authd.NewSecret(rand.Reader)
	if err != nil {
		return err
	}
	secret, err := authd.ParseSecret(text)
	if err != nil {
		return err
	}
	a.note("key-encryption key %s; it is shown only once", secret.ID())
	return a.show(map[string]string{"kek_id": secret.ID(), "kek": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
}

// localKEK is the file in the data directory.
const localKEK = "kek"

// kekVariable holds what a file would. It has no flag: other users see arguments.
const kekVariable = "AUTHD_KEK"

// load is given, unless there is none: then a private database gets a key of its own beside
// it, and any other is refused.
func (f *kekFlags) load(ctx context.Context, d *databaseFlags, log *slog.Logger) ([]authd.KeyEncryptor, error) {
	keys, err := f.given(d)
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	if d.DatabaseURL == "" {
		return ownKEK(ctx, d.DataDir, log)
	}
	return nil, errNoKEK
}

var errNoKEK = &problem{
	exit: exitUsage, code: "kek_missing",
	err:   errors.New("a database URL needs a key-encryption key, which seals the signing keys in the database"),
	hints: []string{"(umask 077 && authd kek new > authd.kek)", "authd serve --kek-file authd.kek"},
}

// given reads the files and then the environment; without any, the key beside a private
// database, if that has one. It makes nothing.
func (f *kekFlags) given(d *databaseFlags) (keys []authd.KeyEncryptor, err error) {
	for _, path := range f.KEKFiles {
		more, err := readKEKFile(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	if text := os.Getenv(kekVariable); text != "" {
		more, err := parseKEKs(kekVariable, text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	if len(keys) > 0 || d.DatabaseURL != "" {
		return keys, nil
	}
	keys, err = readKEKFile(filepath.Join(d.DataDir, localKEK))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return keys, err
}

func readKEKFile(path string) ([]authd.KeyEncryptor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key-encryption key: %w", err)
	}
	return parseKEKs(path, string(b))
}

// parseKEKs reads one a line; the error names the line and not its text.
func parseKEKs(from, text string) (keys []authd.KeyEncryptor, err error) {
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, err := authd.ParseSecret(line)
		if err != nil {
			return nil, &problem{
				exit: exitUsage, code: "kek", err: fmt.Errorf("%s, line %d: %w", from, i+1, err),
				hints: []string{"authd kek new makes one: base64 of 32 bytes, one a line"},
			}
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, wrongUse("(umask 077 && authd kek new > authd.kek)", "%s holds no key-encryption key", from)
	}
	return keys, nil
}

// ownKEK reads the key beside a private database, or makes it.
func ownKEK(ctx context.Context, dir string, log *slog.Logger) ([]authd.KeyEncryptor, error) {
	path := filepath.Join(dir, localKEK)
	keys, err := readKEKFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := makeKEKFile(path); err != nil && !errors.Is(err, fs.ErrExist) { // a racer's is as good
		return nil, fmt.Errorf("making a key-encryption key: %w", err)
	}
	log.WarnContext(ctx, "made a key-encryption key beside the data, which is fine to try things out: "+
		"who can read both can sign tokens, and without the file the signing keys are lost", "file", path)
	return readKEKFile(path)
}

// makeKEKFile lets no half-written key stand: the link either makes the whole file or fails.
func makeKEKFile(path string) (err error) {
	text, err := authd.NewSecret(rand.Reader)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), localKEK+".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = io.WriteString(f, text+"\n")
	if err := errors.Join(err, giveAway(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// giveAway makes a file that root made belong to the owner of its folder, who may be the
// next to start the server.
func giveAway(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}
