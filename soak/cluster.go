package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	audience  = "https://api.example"
	tokenLife = time.Minute // the shortest that authd allows, so that tokens die within a soak
)

// cluster is three replicas over one database, and a balancer with the address of the issuer.
type cluster struct {
	authd    string // the binary
	env      []string
	issuer   string
	client   client
	balancer *balancer
	died     chan error // told of a replica that ends before its time
	cleanup  []func() error
}

// client is a registration, as `authd clients create --json` prints it.
type client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// startCluster returns when all replicas are ready.
func startCluster(ctx context.Context, authd string, settings []string) (*cluster, error) {
	c := &cluster{authd: authd, died: make(chan error, len(replicaBits)), env: slices.Concat(plainEnv(), settings)}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context) error {
	url, drop, err := createDatabase(ctx)
	if err != nil {
		return err
	}
	c.cleanup = append(c.cleanup, drop)
	if err := c.listen(); err != nil {
		return err
	}
	c.env = append(c.env, "AUTHD_DATABASE_URL="+url, "AUTHD_ISSUER="+c.issuer, "AUTHD_ACCESS_TTL="+tokenLife.String())
	if err := c.setUp(ctx); err != nil {
		return err
	}
	if err := c.makeRings(ctx); err != nil {
		return err
	}
	for _, bits := range replicaBits {
		if err := c.startReplica(ctx, bits); err != nil {
			return err
		}
	}
	return nil
}

// makeRings leaves a key of 3072 bits that signs and one of 4096 that is announced; the next,
// of 2048, comes from the replica that is fastest. The key announced with a ring is old at
// once, so that the first rotation needs no wait.
func (c *cluster) makeRings(ctx context.Context) error {
	_, stop, err := c.launch(ctx, 3072, "AUTHD_KEY_PERIOD=1h", "AUTHD_KEY_LEAD=1h") // does not rotate by itself
	if err != nil {
		return err
	}
	return errors.Join(c.rotate(ctx, 4096), stop())
}

func (c *cluster) setUp(ctx context.Context) error {
	var kek struct{ KEK string }
	if err := c.run(ctx, &kek, "kek", "new"); err != nil {
		return err
	}
	c.env = append(c.env, "AUTHD_KEK="+kek.KEK)
	if err := c.run(ctx, nil, "migrate"); err != nil {
		return err
	}
	return c.run(ctx, &c.client, "clients", "create", "soak", "--scope", "read", "--audience", audience)
}

// listen puts the balancer at an address before anything else knows the issuer.
func (c *cluster) listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.issuer, c.balancer = "http://"+l.Addr().String(), newBalancer()
	s := &http.Server{Handler: c.balancer, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c.cleanup = append(c.cleanup, func() error {
		_ = s.Close() // its listener's error is Serve's
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}

// stop undoes the start, the last first.
func (c *cluster) stop() (err error) {
	for _, undo := range slices.Backward(c.cleanup) {
		err = errors.Join(err, undo())
	}
	c.cleanup = nil
	return err
}

// run runs a command of authd and reads the JSON that it prints.
func (c *cluster) run(ctx context.Context, into any, args ...string) error {
	return c.runWith(ctx, nil, into, args...)
}

func (c *cluster) runWith(ctx context.Context, env []string, into any, args ...string) error {
	cmd := exec.CommandContext(ctx, c.authd, append(args, "--json")...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = slices.Concat(c.env, env), &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("authd %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out, into)
}

// rotate announces a key of bits, which signs from the rotation after this one. Without
// --force: a rotation that comes too early is refused.
func (c *cluster) rotate(ctx context.Context, bits int) error {
	return c.runWith(ctx, []string{"AUTHD_KEY_BITS=" + strconv.Itoa(bits)}, nil, "keys", "rotate")
}

// listedKey is what the soak reads of `authd keys list --json`.
type listedKey struct {
	KID       string     `json:"kid"`
	Ring      string     `json:"ring"`
	SignsFrom *time.Time `json:"signs_from"`
}

// keys are those of the access ring that have signed or sign, in their order.
func (c *cluster) keys(ctx context.Context) (opened []listedKey, err error) {
	var all []listedKey
	if err := c.run(ctx, &all, "keys", "list"); err != nil {
		return nil, err
	}
	for _, k := range all {
		if k.Ring == "access" && k.SignsFrom != nil {
			opened = append(opened, k)
		}
	}
	slices.SortFunc(opened, func(a, b listedKey) int { return a.SignsFrom.Compare(*b.SignsFrom) })
	return opened, nil
}

// plainEnv is this process's without settings of authd.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AUTHD_") })
}
