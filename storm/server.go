package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a running `authd serve`.
type server struct {
	cmd         *exec.Cmd
	log         *serverLog
	public, ops string
	ended       chan struct{} // closed when the process has
}

// launch returns when the server is ready.
func launch(ctx context.Context, binary string, env []string, failpoints string) (*server, error) {
	s := &server{log: &serverLog{ready: make(chan [2]string, 1)}, ended: make(chan struct{})}
	s.cmd = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	s.cmd.Env = append(env, "AUTHD_FAILPOINTS="+failpoints)
	s.cmd.Stderr = s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // most are killed
		close(s.ended)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case address := <-s.log.ready:
		s.public, s.ops = address[0], address[1]
		return s, nil
	case <-s.ended:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.end(syscall.SIGKILL)
	return nil, fmt.Errorf("a server did not become ready; its log:\n%s", s.log.tail())
}

// end returns when the process has ended.
func (s *server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal) // it has ended already
	<-s.ended
}

func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// status of a GET; 0 for no answer.
func status(ctx context.Context, address string) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// serverLog keeps a log and finds the addresses in the line that says that the server is ready.
type serverLog struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ready chan [2]string
	found bool
}

var readyLine = regexp.MustCompile(`msg="authd is ready".* listen=(\S+) ops=(\S+)`)

// Write implements [io.Writer].
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if l.found {
		return len(p), nil
	}
	if m := readyLine.FindSubmatch(l.buf.Bytes()); m != nil {
		l.found = true
		l.ready <- [2]string{string(m[1]), string(m[2])}
	}
	return len(p), nil
}

const tailBytes = 4000

func (l *serverLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-tailBytes):])
}

// lines of the log with text in them.
func (l *serverLog) lines(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
