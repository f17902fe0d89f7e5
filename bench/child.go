package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/go-authd/authd"
)

// childCommand is the first argument of this program where it is the server.
const childCommand = "serve"

// child is a server of its own process, so that its memory and its start are its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
}

// startChild returns when the server has said that it listens.
func startChild(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{childCommand}, args...)...)
	cmd.Env = append([]string{"GOGC=400"}, os.Environ()...) // as the daemon sets it; what is set already wins
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", errors.Join(err, cmd.Wait()))
	}
	return &child{cmd, stdin, strings.TrimSpace(addr)}, nil
}

// stop ends the server by the end of its input.
func (c *child) stop() error {
	return errors.Join(c.stdin.Close(), c.cmd.Wait())
}

// peakRSS is in MiB. It is what Linux keeps of the process itself, and other systems do not
// have: the rusage of a child counts the parent that it was forked from.
func (c *child) peakRSS() (mib float64, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseFloat(kib, 64)
	return n / 1024, err == nil
}

// childConfig is what the parent tells the server of authd, as JSON in its environment:
// arguments are for all to see.
type childConfig struct {
	DatabaseURL, KEK string
	Pool             int
	Log              string // "": none
}

const childVariable = "AUTHD_BENCH_SERVER"

func (c childConfig) export() error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.Setenv(childVariable, string(b))
}

// serveChild serves on a port of its own until its input ends.
func serveChild(args []string) error {
	flags := flag.NewFlagSet(childCommand, flag.ContinueOnError)
	what := flags.String("what", "authd", "")
	profile := flags.String("profile", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stopProfile, err := startProfile(*profile)
	if err != nil {
		return err
	}
	defer stopProfile()
	server, closeServer, err := newServer(context.Background(), *what)
	if err != nil {
		return err
	}
	defer closeServer()
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Close())
}

func newServer(ctx context.Context, what string) (*http.Server, func(), error) {
	if what == "bare" {
		handler, err := bareHandler()
		return authd.HTTPServer(handler), func() {}, err // the same timeouts: no server is without
	}
	var cfg childConfig
	if err := json.Unmarshal([]byte(os.Getenv(childVariable)), &cfg); err != nil {
		return nil, nil, err
	}
	return newAuthd(ctx, cfg)
}

func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}
