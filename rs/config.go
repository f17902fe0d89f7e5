package rs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config configures [New]. Issuer and Audience are required.
type Config struct {
	// Issuer is compared byte for byte with "iss". Unless Keys is set it is also where the RFC 8414 metadata
	// is found: an https URL without query or fragment; http is taken for a loopback host only.
	Issuer string
	// Audience must be among the token's "aud".
	Audience string

	// Keys replaces the issuer's JWKS; New then fetches nothing.
	Keys KeySource
	// Locations is where routes without [From] look for a token. Default [Header] alone; a token elsewhere is not read.
	Locations []Location
	// Leeway is how far the issuer's clock may be off, in either direction, for exp, nbf and iat. Default 10 s, at
	// most 1 min.
	Leeway time.Duration
	// MaxLifetime bounds exp - iat: longer tokens are refused, whatever the issuer says. Default 24 h.
	MaxLifetime time.Duration
	// Revocation is asked whether a token was revoked: a [Feed], an [Introspection], or a checker of the host's. The
	// verifier does not close it. Default none: tokens are accepted until they expire.
	Revocation Checker
	// SubjectLoader loads whoever the token speaks for, for [SubjectAs]: once per request, in [Verifier.Required],
	// [Verifier.Optional] and [Verifier.VerifyRequest], when nothing but [Check] is left to ask. No such subject is an
	// error that wraps [ErrNoSubject], or nil without an error: the token is refused as invalid, and its subject not
	// named to anybody. Any other error is answered as that of a [Check], but by 503 where it chooses nothing.
	SubjectLoader func(ctx context.Context, t *Token) (any, error)
	// Realm is told to requests without a token (RFC 6750 §3). Default Audience.
	Realm string
	// Metadata, if set, is served by [Verifier.MetadataHandler], and challenges say where (RFC 9728). Audience must then
	// be an https URL without query or fragment; http is taken for a loopback host only.
	Metadata *ResourceMetadata
	// AllowPreflight lets CORS preflights without a token through to the handler: browsers send none with them. Anybody
	// can send what looks like a preflight, so the handler must do nothing on OPTIONS but answer it.
	AllowPreflight bool
	// OnError, if set, answers refused requests in place of [Error.Respond]. It must answer with err.Status, and with
	// err.Challenge unless that is empty.
	OnError func(w http.ResponseWriter, r *http.Request, err *Error)
	// HTTPClient fetches metadata and keys. Whatever it allows, an answer may take 5 s and 1 MiB, and redirects stay
	// on the same scheme and host. Default: a client of its own, closed by [Verifier.Close].
	HTTPClient *http.Client
	// Logger is told of key refreshes that failed and of keys that cannot be used. Default [slog.Default].
	Logger *slog.Logger
	// Now is the clock that tokens and the age of keys are judged by. Default [time.Now].
	Now func() time.Time
}

const (
	defaultLeeway      = 10 * time.Second
	maxLeeway          = time.Minute
	defaultMaxLifetime = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	c.Leeway = cmp.Or(c.Leeway, defaultLeeway)
	c.MaxLifetime = cmp.Or(c.MaxLifetime, defaultMaxLifetime)
	c.Realm = cmp.Or(c.Realm, c.Audience)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Issuer == "":
		return errors.New("rs: Config.Issuer is empty")
	case c.Audience == "":
		return errors.New("rs: Config.Audience is empty")
	case c.Leeway < 0 || c.Leeway > maxLeeway:
		return fmt.Errorf("rs: Config.Leeway is %v, want 0 to %v", c.Leeway, maxLeeway)
	case c.MaxLifetime < 0:
		return fmt.Errorf("rs: Config.MaxLifetime is %v, want more than 0", c.MaxLifetime)
	}
	return nil
}

// checkURL refuses addresses from which keys could be replaced on the way.
func checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%s is not an absolute URL without user and fragment", u.Redacted())
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%s is neither https nor on a loopback host", u.Redacted())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
