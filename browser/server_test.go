package browser

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// build makes the authd binary of this tree, and a key-encryption key.
func build(ctx context.Context, s *stack) (binary, kek string, err error) {
	dir, err := os.MkdirTemp("", "authd-browser-")
	if err != nil {
		return "", "", err
	}
	s.push(func() { complain(os.RemoveAll(dir)) })
	binary = filepath.Join(dir, "authd")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/authd")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("building authd: %w: %s", err, out)
	}
	made, err := exec.CommandContext(ctx, binary, "kek", "new").Output()
	return binary, string(made), err
}

// visitor is where people come from, by the word of the proxy.
const visitor = "2001:db8:85a3:8d3:1319:8a2e:370:7348"

// serve runs authd, and returns a proxy that stands in front of it as in production: it
// terminates TLS, and says where people come from.
func serve(ctx context.Context, s *stack, database, issuer string) (http.Handler, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--issuer", issuer, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--sign-in-pages", "--registration", "--client-address", "X-Forwarded-For", "--trusted-proxy", "127.0.0.1")
	cmd.Env = append(without(os.Environ(), "AUTHD_"), "AUTHD_DATABASE_URL="+database, "AUTHD_KEK="+kek)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.push(func() { complain(stop(cmd)) })
	address, err := readAddress(log)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host = r.In.Host
		r.Out.Header.Set("X-Forwarded-For", visitor)
	}}
	transport := &http.Transport{}
	s.push(transport.CloseIdleConnections)
	proxy.Transport = transport
	return proxy, nil
}

// without leaves out the settings of this shell.
func without(env []string, prefix string) (rest []string) {
	for _, v := range env {
		if !strings.HasPrefix(v, prefix) {
			rest = append(rest, v)
		}
	}
	return rest
}

var listening = regexp.MustCompile(`msg="authd is ready".* listen=(\S+)`)

// readAddress waits until the server is ready. What it logs later goes nowhere.
func readAddress(log io.Reader) (string, error) {
	var before strings.Builder
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return m[1], nil
		}
		fmt.Fprintln(&before, lines.Text())
	}
	return "", fmt.Errorf("authd did not start: %w\n%s", lines.Err(), before.String())
}

func stop(cmd *exec.Cmd) error {
	if err := cmd.Cancel(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return cmd.Wait()
}
