package rs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// endpoint is one of the issuer's that wants to know which resource server asks.
type endpoint struct {
	url       *url.URL
	client    *http.Client
	closeIdle func()
	id        string
	secret    string
	now       func() time.Time
}

// caller is what the configurations of Feed and Introspection have in common.
type caller struct {
	issuer, id, secret string
	client             *http.Client
	now                func() time.Time
}

func (c caller) validate(name string) error {
	switch {
	case c.issuer == "":
		return fmt.Errorf("rs: %s.Issuer is empty", name)
	case c.id == "":
		return fmt.Errorf("rs: %s.ClientID is empty", name)
	case c.secret == "":
		return fmt.Errorf("rs: %s.ClientSecret is empty", name)
	}
	return nil
}

// openEndpoint finds the endpoint that member of the issuer's metadata names.
func openEndpoint(ctx context.Context, c caller, member string) (*endpoint, error) {
	client, closeIdle := newClient(c.client)
	e := &endpoint{client: client, closeIdle: closeIdle, id: c.id, secret: c.secret, now: c.now}
	if err := e.find(ctx, c.issuer, member); err != nil {
		closeIdle()
		return nil, err
	}
	return e, nil
}

func (e *endpoint) find(ctx context.Context, issuer, member string) error {
	metadata, err := fetchMetadata(ctx, e.client, issuer)
	if err != nil {
		return err
	}
	uri, _ := metadata[member].(string)
	if uri == "" {
		return fmt.Errorf("issuer %s has no %s in its metadata: it does not offer this, or it is turned off", issuer, member)
	}
	if e.url, err = checkURL(uri); err != nil {
		return fmt.Errorf("%s: %w", member, err)
	}
	return nil
}

// send authenticates by Basic and returns an answer with status 200, or a *statusError.
func (e *endpoint) send(req *http.Request) (*http.Response, error) {
	req.SetBasicAuth(url.QueryEscape(e.id), url.QueryEscape(e.secret)) // RFC 6749 §2.3.1
	req.Header.Set("Accept", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	_ = resp.Body.Close()
	return nil, &statusError{e.url.Redacted(), resp.StatusCode, retryAfter(resp.Header, e.now())}
}

// statusError is an answer other than 200.
type statusError struct {
	url        string
	status     int
	retryAfter time.Duration // 0: the issuer does not say
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.url, e.status, http.StatusText(e.status))
	switch e.status {
	case http.StatusUnauthorized:
		text += ": check client id and secret"
	case http.StatusForbidden:
		text += ": the client is not registered as a resource server"
	}
	return text
}

// isMisconfigured reports whether err will stay until somebody changes a registration or a configuration.
func isMisconfigured(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden)
}

// maxRetryAfter bounds how long an issuer can keep us from asking again.
const maxRetryAfter = time.Minute

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// logTrouble is loud about what somebody has to mend.
func logTrouble(log *slog.Logger, what string, err error, more ...any) {
	level := slog.LevelWarn
	if isMisconfigured(err) {
		level = slog.LevelError
	}
	log.Log(context.Background(), level, what, append(more, "err", err)...)
}
