package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-authd/authd/internal/pglocal"
)

var (
	privateMu sync.Mutex
	stop      func()
	inMain    bool
)

// Main runs a package's tests, fails them if goroutines are left, stops the private
// server if one was started, and exits. Every package that calls [New] needs
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit, for a TestMain that does more.
func Run(m interface{ Run() int }) int {
	inMain = true
	code := m.Run()
	privateMu.Lock()
	if stop != nil {
		stop()
	}
	privateMu.Unlock()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines left after the tests:", err)
		code = 1
	}
	return code
}

func startPrivate() (string, error) {
	privateMu.Lock()
	defer privateMu.Unlock()
	if !inMain {
		return "", errors.New("the package has no TestMain that calls dbtest.Main, so nothing would stop the server")
	}
	dir, err := os.MkdirTemp("", "authd-dbtest-")
	if err != nil {
		return "", err
	}
	// As root, PostgreSQL runs as another user; a cluster it cannot reach here would go to /var/lib and stay.
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", err
	}
	server, err := pglocal.Start(context.Background(), pglocal.Config{DataDir: dir, UnsafeNoSync: true})
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	stop = func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		}
		os.RemoveAll(dir)
	}
	return server.URL(), nil
}
