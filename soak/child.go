package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// errDied: a verifier's process is gone, or says something that is no verdict.
var errDied = errors.New("the verifier's process ended")

// child is a verifier in another language: it prints its version, then for a token on a line
// a verdict on a line.
type child struct {
	verdicts *bufio.Scanner
	send     func(token string) error
}

func startChild(ctx context.Context, command ...string) (*child, string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		return nil, "", fmt.Errorf("%s: %w", command[0], err)
	}
	context.AfterFunc(ctx, func() { _ = cmd.Wait() }) // it was killed with the context
	c := &child{verdicts: bufio.NewScanner(out), send: func(token string) error {
		_, err := in.Write([]byte(token + "\n"))
		return err
	}}
	if !c.verdicts.Scan() {
		return nil, "", fmt.Errorf("%s printed nothing: %w", command[0], errDied)
	}
	return c, c.verdicts.Text(), nil
}

func (c *child) verify(_ context.Context, token string) error {
	if err := c.send(token); err != nil {
		return fmt.Errorf("%w: %w", errDied, err)
	}
	if !c.verdicts.Scan() {
		return errors.Join(errDied, c.verdicts.Err())
	}
	if verdict := c.verdicts.Text(); verdict != "ok" {
		return errors.New(verdict)
	}
	return nil
}
