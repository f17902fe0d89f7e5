package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-authd/authd"
)

type demoCmd struct{}

// Help teaches.
func (demoCmd) Help() string {
	return `It runs against a server and a PostgreSQL of its own in a temporary folder, which it removes, and checks every answer: the exit status is 1 if one is not as it should be. NO_COLOR turns colours off.

    authd demo
    authd demo | less`
}

// Run shows the life of a token.
func (demoCmd) Run(a *app) error {
	if a.json {
		return wrongUse("leave --json out", "the demo is for people and prints no JSON")
	}
	signal.Ignore(syscall.SIGPIPE) // authd demo | head: still clean up
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGHUP)
	defer stop()
	d := newDemo(ctx, newPage(a.stdout), &http.Transport{})
	err := d.run(demoSteps)
	if err != nil && ctx.Err() == nil {
		d.tellLog(a.stderr)
	}
	return err
}

// demoStep is one thing to learn. run shows what it sends and gets, and returns an error
// where that is not as it should be; only then does means stand there, as a promise kept.
type demoStep struct {
	title string
	run   func(*demo) error
	means string
}

// demo is one run: what was started, and what steps leave to those after them.
type demo struct {
	ctx     context.Context
	page    *page
	client  *http.Client
	log     demoLog
	cleanup []func() error // called in reverse order

	srv     *authd.Server
	issuer  string
	orders  string         // URL of the resource server
	fromAPI requestCounter // what the resource server asks authd

	shopSecret, apiSecret, password string
	ada                             string       // subject
	machine                         string       // access token of the client itself
	family                          []demoTokens // of ada: from the sign-in, then from each refresh
}

type demoTokens struct{ access, refresh string }

func newDemo(ctx context.Context, p *page, transport http.RoundTripper) *demo {
	return &demo{
		ctx: ctx, page: p, client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		fromAPI: requestCounter{next: transport},
	}
}

// run leaves nothing behind, whatever happens.
func (d *demo) run(steps []demoStep) (err error) {
	started := time.Now()
	d.page.opening(demoTitle, demoIntroduction)
	defer func() {
		err = errors.Join(err, d.close())
		if err == nil {
			d.page.closing(fmt.Sprintf(demoDone, len(steps), time.Since(started).Seconds()), demoNext)
		}
	}()
	for i, step := range steps {
		d.page.step(i+1, len(steps), step.title)
		if err := step.run(d); err != nil {
			if d.ctx.Err() != nil {
				return &problem{exit: exitFailed, code: "interrupted", err: errors.New("interrupted")}
			}
			d.page.failed(err)
			return fmt.Errorf("step %d, %s: %w", i+1, step.title, err)
		}
		d.page.means(step.means)
	}
	return nil
}

func (d *demo) onClose(f func() error) { d.cleanup = append(d.cleanup, f) }

func (d *demo) close() (err error) {
	for len(d.cleanup) > 0 {
		last := len(d.cleanup) - 1
		err = errors.Join(err, d.cleanup[last]())
		d.cleanup = d.cleanup[:last]
	}
	d.client.CloseIdleConnections()
	return err
}

// tellLog shows what the server had to say about a run that failed.
func (d *demo) tellLog(w io.Writer) {
	if text := d.log.String(); text != "" {
		fmt.Fprintf(w, "\nwhat the server logged:\n%s\n", text)
	}
}

const (
	demoTitle        = "The life of a token"
	demoIntroduction = "What follows is real: a server, a database and HTTP between them, made for this run and removed after it. Long values are shortened to their ends."
	demoDone         = "%d steps, every answer checked, in %.1f s. Nothing was left behind."
)

var demoNext = []hint{
	{"authd serve --accounts", "your own server, with its data in ./authd-data"},
	{"authd clients create shop --scope orders:read", "in another terminal: registers a client, prints its secret"},
	{"authd --help", "everything else"},
}
