package rs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

const (
	fetchTimeout  = 5 * time.Second
	maxFetchBytes = 1 << 20
	maxRedirects  = 3
	maxIdleConns  = 64 // to the issuer: introspection may ask about many tokens at once
)

// newClient bounds what an http.Client does, a host's too: the copy shares its transport, jar and timeout.
func newClient(given *http.Client) (client *http.Client, closeIdle func()) {
	if given != nil {
		c := *given
		c.CheckRedirect = stayOnHost
		return &c, func() {}
	}
	// Connections of its own, so that closing them disturbs nobody else's.
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second,
		MaxIdleConnsPerHost: maxIdleConns,
	}
	return &http.Client{Transport: transport, CheckRedirect: stayOnHost}, transport.CloseIdleConnections
}

func stayOnHost(to *http.Request, via []*http.Request) error {
	from := via[0].URL
	if to.URL.Host != from.Host || to.URL.Scheme != from.Scheme || len(via) > maxRedirects {
		return errors.New("redirect to another host, or too many")
	}
	return nil
}

// get fetches a document of at most 1 MiB, after decompression, in at most 5 s. With an etag the answer may be 304,
// without a document.
func get(ctx context.Context, client *http.Client, uri, etag string) (doc []byte, header http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return nil, resp.Header, nil
	case resp.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("%s answers %s", uri, resp.Status)
	}
	doc, err = io.ReadAll(io.LimitReader(resp.Body, maxFetchBytes+1))
	if err == nil && len(doc) > maxFetchBytes {
		err = fmt.Errorf("%s answers more than %d bytes", uri, maxFetchBytes)
	}
	return doc, resp.Header, err
}

const wellKnown = "/.well-known/oauth-authorization-server"

// metadataURL puts the well-known path between host and path of the issuer (RFC 8414 §3.1).
func metadataURL(issuer string) (string, error) {
	u, err := checkURL(issuer)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("issuer has a query")
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// fetchMetadata reads the issuer's metadata. Its issuer must be the one that was asked for, byte for byte (RFC 8414 §3.3).
func fetchMetadata(ctx context.Context, client *http.Client, issuer string) (map[string]any, error) {
	from, err := metadataURL(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	doc, _, err := get(ctx, client, from, "")
	if err != nil {
		return nil, fmt.Errorf("fetching metadata: %w", err)
	}
	metadata, err := oauth.DecodeClaims(doc)
	if err != nil {
		return nil, fmt.Errorf("metadata at %s: %w", from, err)
	}
	if got, _ := metadata["issuer"].(string); got != issuer {
		return nil, fmt.Errorf("metadata at %s is of issuer %q, want %q", from, got, issuer)
	}
	return metadata, nil
}

func fetchJWKSURI(ctx context.Context, client *http.Client, issuer string) (string, error) {
	metadata, err := fetchMetadata(ctx, client, issuer)
	if err != nil {
		return "", err
	}
	uri, _ := metadata["jwks_uri"].(string)
	if _, err := checkURL(uri); err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	return uri, nil
}
