package pglocal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// kind of a holder: others use a server beside it, and wait for a command to end.
type kind string

const (
	serving kind = "serve"
	command kind = "command"
)

// lock is the flock on DATA_DIR/lock. The kernel frees it however its holder
// ends, so a file that is left behind means nothing. The file is never
// removed: a second process could then lock a new one of that name.
type lock struct{ f *os.File }

// tryLock does not wait. It fails with *InUseError where another process, or
// another Server of this one, holds the lock.
func tryLock(path string, k kind) (*lock, error) {
	f, err := openOwn(path, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = readHolder(f)
		return nil, errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the data directory: %w", err), f.Close())
	}
	l := &lock{f}
	if err := l.write(fmt.Sprintf("%d %s\n", os.Getpid(), k)); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// readHolder returns the *InUseError. Its kind stays empty while the holder has
// not written yet, or where the file still names a process that is gone.
func readHolder(f *os.File) error {
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return fmt.Errorf("reading the lock of the data directory: %w", err)
	}
	pid, k := parseHolder(b)
	if !exists(pid) {
		k = ""
	}
	return &InUseError{PID: pid, kind: k}
}

// parseHolder returns a positive process id and a known kind, or neither.
func parseHolder(b []byte) (int, kind) {
	number, k, _ := strings.Cut(strings.TrimSuffix(string(b), "\n"), " ")
	pid, err := strconv.ParseInt(number, 10, 32)
	if err != nil || pid <= 0 || kind(k) != serving && kind(k) != command {
		return 0, ""
	}
	return int(pid), kind(k)
}

// exists reports whether a process has this id, whosever it is.
func exists(pid int) bool {
	if pid <= 0 { // kill(2) would mean groups of processes
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func (l *lock) write(s string) error {
	if err := l.f.Truncate(0); err != nil {
		return fmt.Errorf("writing the lock of the data directory: %w", err)
	}
	if _, err := l.f.WriteAt([]byte(s), 0); err != nil {
		return fmt.Errorf("writing the lock of the data directory: %w", err)
	}
	return nil
}

// release empties the file before it frees the lock, so that the next waiter
// does not read this holder. It unlocks and does not only close: a child which
// this process has forked and which has not come to its exec yet holds a copy
// of the descriptor, and with it the lock.
func (l *lock) release() error {
	return errors.Join(l.write(""), syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN), l.f.Close())
}
