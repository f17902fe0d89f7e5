package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// replicaBits are the lengths of the keys that each of the replicas makes.
var replicaBits = []int{2048, 3072, 4096}

const startTime = 30 * time.Second // bounds the wait for a replica

// startReplica returns when the replica is ready, and the balancer knows it.
func (c *cluster) startReplica(ctx context.Context, bits int) error {
	address, stop, err := c.launch(ctx, bits)
	if err != nil {
		return err
	}
	c.balancer.add(address)
	c.cleanup = append(c.cleanup, stop)
	return nil
}

// launch returns the address of a server that is ready.
func (c *cluster) launch(ctx context.Context, bits int, env ...string) (address string, stop func() error, err error) {
	log := &replicaLog{ready: make(chan string, 1)}
	cmd := exec.Command(c.authd, "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--key-bits", strconv.Itoa(bits))
	cmd.Env, cmd.Stderr = slices.Concat(c.env, env), log
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = c.watch(cmd, log)
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case address := <-log.ready:
		return address, stop, nil
	case err := <-c.died:
		return "", nil, err
	case <-timer.C:
		err = fmt.Errorf("a replica is not ready after %s; its log:\n%s", startTime, log.tail())
	case <-ctx.Done():
		err = ctx.Err()
	}
	return "", nil, errors.Join(err, stop())
}

// watch tells of the process if it ends before it is stopped.
func (c *cluster) watch(cmd *exec.Cmd, log *replicaLog) (stop func() error) {
	ended, stopping := make(chan struct{}), make(chan struct{})
	go func() {
		err := cmd.Wait()
		close(ended)
		select {
		case <-stopping:
		default:
			c.died <- fmt.Errorf("a replica ended: %w; its log:\n%s", err, log.tail())
		}
	}()
	return func() error {
		close(stopping)
		_ = cmd.Process.Kill() // it has ended already
		<-ended
		return nil
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
	if l.found {
		return len(p), nil
	}
	if m := readyLine.FindSubmatch(l.buf.Bytes()); m != nil {
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
