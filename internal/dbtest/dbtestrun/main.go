// Command dbtestrun runs a command beside a private PostgreSQL, whose URL it puts into
// AUTHD_TEST_DATABASE_URL, so that all packages of one `go test ./...` share a server:
//
//	go run ./internal/dbtest/dbtestrun -- go test -race ./...
//
// Where the variable is set already, the command uses that server and none is started. The exit
// code is the command's; 1 where the server does not start, 2 without a command.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/go-authd/authd/internal/pglocal"
)

const variable = "AUTHD_TEST_DATABASE_URL"

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: dbtestrun -- COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dbtestrun: error:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if os.Getenv(variable) != "" {
		return command(args, signals)
	}

	dir, err := os.MkdirTemp("", "authd-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	// As root, PostgreSQL runs as another user, who has to reach the cluster; else pglocal would
	// put it under /var/lib, where it would stay.
	if err := os.Chmod(dir, 0o711); err != nil {
		return 1, err
	}
	server, err := pglocal.Start(context.Background(), pglocal.Config{
		DataDir:      dir,
		Logger:       slog.New(slog.DiscardHandler),
		UnsafeNoSync: true,
	})
	if err != nil {
		return 1, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	os.Setenv(variable, server.URL())
	return command(args, signals)
}

// command runs args and hands signals on to them. They get a process group of their own: a
// Ctrl-C would otherwise reach them twice, and a SIGTERM would not reach the processes below.
func command(args []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal)) // fails only where nothing is left to stop
		case err := <-done:
			return exitCode(cmd, err)
		}
	}
}

// exitCode is 128 + n for a command that signal n ended, as shells have it.
func exitCode(cmd *exec.Cmd, err error) (int, error) {
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return 1, err
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}
