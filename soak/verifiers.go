package main

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/go-authd/authd/rs"
)

// tuning is how verifiers are set up, as their programs are told in words.
type tuning string

const (
	untuned tuning = "defaults" // an address, the issuer and the audience; nothing else
	tuned   tuning = "fast"     // sets are as old as max-age allows, and an unknown kid is looked up at once
)

// verifier is somebody's way to verify a token with published keys.
type verifier struct {
	name, version string
	verify        func(ctx context.Context, token string) error
}

// startVerifiers starts one of each; they end with ctx.
func startVerifiers(ctx context.Context, c *cluster, how tuning) (all []*verifier, err error) {
	for _, v := range []struct {
		name  string
		start func(ctx context.Context, c *cluster, how tuning, jwks string) (*verifier, error)
	}{
		{"jose", startJose},
		{"PyJWT", startPyJWT},
		{"keyfunc", startKeyfunc},
		{"go-oidc", startOIDC},
		{"rs", startRS},
	} {
		started, err := v.start(ctx, c, how, c.issuer+jwksPath+"?for="+v.name)
		if err != nil {
			return nil, err
		}
		started.name = v.name
		all = append(all, started)
	}
	return all, nil
}

func startJose(ctx context.Context, c *cluster, how tuning, jwks string) (*verifier, error) {
	return startProgram(ctx, "node", "jose.mjs", jwks, c.issuer, audience, string(how))
}

func startPyJWT(ctx context.Context, c *cluster, how tuning, jwks string) (*verifier, error) {
	return startProgram(ctx, ".venv/bin/python", "pyjwt.py", jwks, c.issuer, audience, string(how))
}

func startProgram(ctx context.Context, command ...string) (*verifier, error) {
	p, version, err := startChild(ctx, command...)
	if err != nil {
		return nil, err
	}
	return &verifier{version: version, verify: p.verify}, nil
}

func startKeyfunc(ctx context.Context, c *cluster, how tuning, jwks string) (*verifier, error) {
	keys, err := newKeyfunc(ctx, how, jwks)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(c.issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return &verifier{version: moduleVersion("github.com/MicahParks/keyfunc/v3"), verify: func(_ context.Context, token string) error {
		_, err := parser.Parse(token, keys.Keyfunc)
		return err
	}}, nil
}

func newKeyfunc(ctx context.Context, how tuning, jwks string) (keyfunc.Keyfunc, error) {
	if how == untuned {
		return keyfunc.NewDefaultCtx(ctx, []string{jwks})
	}
	return keyfunc.NewDefaultOverrideCtx(ctx, []string{jwks}, keyfunc.Override{
		RefreshInterval: time.Second, RefreshUnknownKID: rate.NewLimiter(rate.Inf, 1),
	})
}

// startOIDC: go-oidc has nothing to tune. It keeps a set until it meets a kid that is not in it.
func startOIDC(ctx context.Context, c *cluster, _ tuning, jwks string) (*verifier, error) {
	v := oidc.NewVerifier(c.issuer, oidc.NewRemoteKeySet(ctx, jwks), &oidc.Config{ClientID: audience})
	return &verifier{version: moduleVersion("github.com/coreos/go-oidc/v3"), verify: func(ctx context.Context, token string) error {
		_, err := v.Verify(ctx, token)
		return err
	}}, nil
}

// startRS: rs has nothing to tune. It keeps to the issuer's max-age.
func startRS(ctx context.Context, c *cluster, _ tuning, _ string) (*verifier, error) {
	v, err := rs.New(ctx, rs.Config{Issuer: c.issuer, Audience: audience})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = v.Close() }) // never fails
	return &verifier{version: "this tree", verify: func(ctx context.Context, token string) error {
		_, err := v.Verify(ctx, token)
		return err
	}}, nil
}

func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
