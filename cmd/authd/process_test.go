package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
)

// serving is a real server as a process of its own, with a request under way that has not
// been sent to its end.
type serving struct {
	cmd      *exec.Cmd
	log      bytes.Buffer
	ops      string
	underWay net.Conn
	rest     string
}

func startServing(t *testing.T) *serving {
	t.Helper()
	kek, err := exec.Command("authd", "kek", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	public, ops := freeAddress(t), freeAddress(t)
	s := &serving{cmd: exec.Command("authd", "serve", "--listen", public, "--ops-listen", ops), ops: ops}
	s.cmd.Env = append(os.Environ(), "AUTHD_DATABASE_URL="+dbtest.URL(t), "AUTHD_KEK="+string(kek))
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // of a process that has ended
		_ = s.cmd.Wait()
	})
	s.await(t, http.StatusOK)
	s.sendHalf(t, public)
	return s
}

// sendHalf returns when the server has read the head of the request: it asks for the body.
func (s *serving) sendHalf(t *testing.T, address string) {
	t.Helper()
	var err error
	if s.underWay, err = net.Dial("tcp", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.underWay.Close() })
	body := "grant_type=client_credentials&client_id=nobody&client_secret=x"
	head := "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 62\r\n\r\n"
	if _, err := io.WriteString(s.underWay, head); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(io.LimitReader(s.underWay, 25)).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	s.rest = body
}

// await waits until /readyz answers with status.
func (s *serving) await(t *testing.T, status int) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 3000 {
		if got, _, err := request("GET", "http://"+s.ops+"/readyz", "", nil); err == nil && got == status {
			return
		}
		<-again.C
	}
	t.Fatalf("/readyz did not become %d; the server's log:\n%s", status, s.log.String())
}

func (s *serving) terminate(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// F-37: at SIGTERM the server is no longer ready while it still answers what is under way,
// and it ends with status 0.
// S1-22, M-26: a server for production, which the tutorials' app.run() is not.
func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := startServing(t)

	s.terminate(t)
	s.await(t, http.StatusServiceUnavailable)
	if _, err := io.WriteString(s.underWay, s.rest); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(s.underWay), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)

	if err != nil || resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "invalid_client") {
		t.Errorf("got %s, %q, %v, want a whole 401 invalid_client", resp.Status, body, err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v, want status 0; its log:\n%s", err, s.log.String())
	}
}

// F-37: a second signal does not wait for what is under way.
func TestSecondSignalCutsOff(t *testing.T) {
	t.Parallel()
	s := startServing(t)

	s.terminate(t)
	s.await(t, http.StatusServiceUnavailable)
	s.terminate(t)
	_, readErr := http.ReadResponse(bufio.NewReader(s.underWay), nil)
	err := s.cmd.Wait()

	if readErr == nil {
		t.Error("the request was answered, want it cut off")
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != exitFailed || !strings.Contains(s.log.String(), errHurried.Error()) {
		t.Errorf("the server ended with %v, want status 1; its log:\n%s", err, s.log.String())
	}
}
