package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	replicas  = 3
	startTime = 30 * time.Second // bounds each wait for a replica
)

// startReplica returns when the replica is ready, and the balancer knows it.
func (c *cluster) startReplica(ctx context.Context, bits int) error {
	log := &replicaLog{ready: make(chan string, 1)}
	cmd := exec.Command(c.authd, "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--key-bits", strconv.Itoa(bits))
	cmd.Env, cmd.Stderr = c.env, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, stopping := make(chan error, 1), make(chan struct{})
	go func() {
		err := cmd.Wait()
		ended <- err
		select {
		case <-stopping:
		default:
			c.died <- fmt.Errorf("a replica ended: %w; its log:\n%s", err, log.tail())
		}
	}()
	c.cleanup = append(c.cleanup, func() error {
		close(stopping)
		_ = cmd.Process.Signal(syscall.SIGKILL) // it has ended already
		<-ended
		return nil
	})
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case address := <-log.ready:
		c.balancer.add(address)
		return nil
	case err := <-c.died:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), fmt.Errorf("a replica is not ready; its log:\n%s", log.tail()))
	}
}

// replicaLog keeps a log and finds the address in the line that says that the replica is ready.
type replicaLog struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ready chan string
	found bool
}

var readyLine = regexp.MustCompile(`msg="authd is ready".* listen=(\S+)`)

// Write implements [io.Writer].
func (l *replicaLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if m := readyLine.FindSubmatch(l.buf.Bytes()); m != nil && !l.found {
		l.found = true
		l.ready <- string(m[1])
	}
	return len(p), nil
}

const tailBytes = 4000

func (l *replicaLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-tailBytes):])
}
