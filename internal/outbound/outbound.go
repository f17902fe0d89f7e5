// Package outbound gets documents from URLs that somebody else has chosen. Such a URL must
// not reach what only this machine can reach.
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
	// RootCAs verify servers. Default: the system's.
	RootCAs *x509.CertPool
}

// Client gets documents.
type Client struct{ http *http.Client }

// New does no I/O.
func New(cfg Config) *Client {
	if cfg.Allow == nil {
		cfg.Allow = Public
	}
	dialer := &net.Dialer{Timeout: timeout, Control: guard(cfg.Allow)}
	return &Client{&http.Client{
		Timeout: timeout,
		// A redirect is an answer like any other that is no document.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would look up the name itself, and connect to anything
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			DisableKeepAlives:      true, // it is minutes until the next one
			DisableCompression:     true, // what is small stays small
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
	}}
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
	resp, err := c.http.Do(req)
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
