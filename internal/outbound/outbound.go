// Package outbound gets documents from URLs that somebody else has chosen, and posts to them.
// Such a URL must not reach what only this machine can reach.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	timeout        = 5 * time.Second
	maxBytes       = 64 << 10
	maxHeaderBytes = 16 << 10
)

// Config configures [New]; the zero value is what is safe.
type Config struct {
	// Allow refuses addresses. Default [Public].
	Allow func(netip.AddrPort) error
	// Loopback lets [Client.Post] use http URIs, at loopback addresses alone: for a server on
	// a developer's machine.
	Loopback bool
	// RootCAs verify servers. Default: the system's.
	RootCAs *x509.CertPool
}

// Client gets documents and posts forms.
type Client struct{ https, http *http.Client } // http is nil where it is not allowed

// New does no I/O.
func New(cfg Config) *Client {
	if cfg.Allow == nil {
		cfg.Allow = Public
	}
	c := &Client{https: newHTTP(cfg.Allow, cfg.RootCAs)}
	if cfg.Loopback {
		c.http = newHTTP(loopback, cfg.RootCAs)
	}
	return c
}

func newHTTP(allow func(netip.AddrPort) error, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout, Control: guard(allow)}
	return &http.Client{
		Timeout: timeout,
		// A redirect is an answer like any other that is no document.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would look up the name itself, and connect to anything
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			DisableKeepAlives:      true, // it is minutes until the next one
			DisableCompression:     true, // what is small stays small
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
	}
}

// guard looks at the address that is connected to, when the name has been looked up: a
// name may lead elsewhere each time.
func guard(allow func(netip.AddrPort) error) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return errors.New("not an address")
		}
		return allow(to)
	}
}

// Get returns the document at an https URI: at most 64 KiB, within 5 s, without redirects.
// Its errors hold nothing of the answer's body.
func (c *Client) Get(ctx context.Context, uri string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" {
		return nil, errors.New("not an https URI")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "authd")
	resp, err := c.https.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has status %d", resp.StatusCode)
	}
	doc, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	if err == nil && len(doc) > maxBytes {
		err = fmt.Errorf("the answer has more than %d bytes", maxBytes)
	}
	return doc, err
}

// Post sends a form to an https URI, or an http one where [Config].Loopback allows it, and
// returns the status of the answer, within 5 s and without redirects. Of the answer's body it
// reads nothing. Its errors do not name the URI.
func (c *Client) Post(ctx context.Context, uri string, form url.Values) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, errors.New("not a URI")
	}
	client, err := c.of(req.URL.Scheme)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "authd")
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (c *Client) of(scheme string) (*http.Client, error) {
	switch {
	case scheme == "https":
		return c.https, nil
	case scheme == "http" && c.http != nil:
		return c.http, nil
	}
	return nil, errors.New("not an https URI")
}
