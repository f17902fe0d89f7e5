package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	issueEvery = 10 * time.Millisecond
	issuers    = 4 // requests for tokens under way, at most
	oldPerNew  = 3 // tokens of any age that a verifier verifies after each new one
)

// load is what is asked of authd and of the verifiers.
type load struct {
	cluster *cluster
	start   time.Time
	pool    *pool
	tallies []*tally
	client  *http.Client

	mu      sync.Mutex
	refused map[string]int // why no token was issued, how often
}

func newLoad(c *cluster, verifiers []*verifier, p part) *load {
	l := &load{
		cluster: c, start: time.Now(), pool: newPool(), refused: make(map[string]int),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: issuers}},
	}
	for _, v := range verifiers {
		t := newTally(v, int(p.length/issueEvery)+issuers)
		t.wait = p.waits[v.name]
		l.tallies = append(l.tallies, t)
	}
	return l
}

// issue asks for tokens until ctx ends, and gives each to every verifier.
func (l *load) issue(ctx context.Context) *sync.WaitGroup {
	due := time.NewTicker(issueEvery)
	var running sync.WaitGroup
	for range issuers {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-due.C:
					l.issueOne(ctx)
				}
			}
		})
	}
	context.AfterFunc(ctx, due.Stop)
	return &running
}

func (l *load) issueOne(ctx context.Context) {
	t, err := l.ask(context.WithoutCancel(ctx))
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.refused[err.Error()]++
		return
	}
	l.pool.add(t)
	for _, v := range l.tallies {
		v.queue <- t
	}
}

// close tells the verifiers that there are no more tokens.
func (l *load) close() {
	for _, t := range l.tallies {
		close(t.queue)
	}
	l.client.CloseIdleConnections()
}

// ask is one request by client_credentials.
func (l *load) ask(ctx context.Context) (token, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.cluster.issuer+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return token{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(l.cluster.client.ID, l.cluster.client.Secret)
	issued := time.Now()
	resp, err := l.client.Do(req)
	if err != nil {
		return token{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return token{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return token{}, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return readToken(body, issued)
}

func readToken(answer []byte, issued time.Time) (token, error) {
	var a struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return token{}, err
	}
	first, _, _ := strings.Cut(a.Access, ".")
	header, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return token{}, err
	}
	var h struct{ KID string }
	err = json.Unmarshal(header, &h)
	return token{text: a.Access, kid: h.KID, issued: issued}, err
}

// verify runs every verifier until the tokens end.
func (l *load) verify(ctx context.Context) *sync.WaitGroup {
	var running sync.WaitGroup
	for _, t := range l.tallies {
		running.Go(func() {
			for fresh := range t.queue {
				t.verifyNew(ctx, l.pool, fresh)
			}
		})
	}
	return &running
}

// refuseForged shows that verifiers verify: none takes a token with another signature. It is
// last, since some fetch the keys then.
func (l *load) refuseForged(ctx context.Context) error {
	good, ok := l.pool.any(time.Now())
	if !ok {
		return errors.New("not one token was issued")
	}
	dot := strings.LastIndexByte(good.text, '.')
	other := byte('A')
	if good.text[dot+1] == other {
		other = 'B'
	}
	forged := good.text[:dot+1] + string(other) + good.text[dot+2:]
	for _, t := range l.tallies {
		t.fetches = l.cluster.balancer.fetchesOf(t.name) // so far: go-oidc fetches now
		t.tookForged = t.died == nil && t.verify(ctx, forged) == nil
	}
	return nil
}
