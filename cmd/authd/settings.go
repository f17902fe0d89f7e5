package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/go-authd/authd"
)

// Settings say what the server is, and may come from the environment and the file. Flags
// of one action (clients create --access-ttl) have no env tag, and come from neither.

var flagGroups = []kong.Group{
	{Key: "database", Title: "Database:"},
	{Key: "tokens", Title: "Tokens:"},
	{Key: "keys", Title: "Signing keys:"},
	{Key: "log", Title: "Log:"},
}

type databaseFlags struct {
	DatabaseURL string `name:"database-url" env:"AUTHD_DATABASE_URL" group:"database" placeholder:"URL" help:"PostgreSQL to use: postgres://user@host:5432/name. Give one with a password by the environment; other users see arguments. Without it authd runs a PostgreSQL of its own in --data-dir."`
	DataDir     string `name:"data-dir" env:"AUTHD_DATA_DIR" group:"database" default:"./authd-data" placeholder:"DIR" help:"Where the private PostgreSQL and its key-encryption key are (${default})."`
}

type kekFlags struct {
	KEKFiles []string `name:"kek-file" env:"AUTHD_KEK_FILE" group:"keys" placeholder:"FILE" help:"Key-encryption key: base64 of 32 bytes, one a line. May repeat: the first seals, all open. Or set AUTHD_KEK to the text itself."`
}

type issuerFlags struct {
	Issuer         string `name:"issuer" env:"AUTHD_ISSUER" default:"http://localhost:8080" placeholder:"URL" help:"Issuer identifier, exactly as clients will compare it; https unless it is a loopback address (${default})."`
	InsecureIssuer bool   `name:"insecure-issuer" env:"AUTHD_INSECURE_ISSUER" help:"Allow an http issuer on any address: tokens and secrets cross the network in clear."`
}

// ringFlags are of everything that rotates keys: a schedule is written when a key is made.
type ringFlags struct {
	KeyPeriod      time.Duration `name:"key-period" env:"AUTHD_KEY_PERIOD" group:"keys" default:"720h" help:"How long a key signs before the announced one takes its place, by itself (${default})."`
	KeyLead        time.Duration `name:"key-lead" env:"AUTHD_KEY_LEAD" group:"keys" default:"24h" help:"How long a key is published before it signs, at least 2 × --jwks-max-age + --key-snapshot-cap + --clock-skew (${default})."`
	JWKSMaxAge     time.Duration `name:"jwks-max-age" env:"AUTHD_JWKS_MAX_AGE" group:"keys" default:"5m" help:"How long verifiers may cache the JWKS (${default})."`
	KeyPoll        time.Duration `name:"key-poll" env:"AUTHD_KEY_POLL" group:"keys" default:"15s" help:"How often keys are read from the database, at most half of --key-snapshot-cap (${default})."`
	KeySnapshotCap time.Duration `name:"key-snapshot-cap" env:"AUTHD_KEY_SNAPSHOT_CAP" group:"keys" default:"1m" help:"How old the keys in memory may be to sign with, at most 1m: so long the database may be away (${default})."`
	ClockSkew      time.Duration `name:"clock-skew" env:"AUTHD_CLOCK_SKEW" group:"keys" default:"1m" help:"How far the clocks of verifiers may be off: keys are published that much earlier and longer (${default})."`
	KeyBits        int           `name:"key-bits" env:"AUTHD_KEY_BITS" group:"keys" default:"2048" help:"Length of new RSA keys: 2048, 3072 or 4096 (${default})."`
}

func (f *ringFlags) apply(c *authd.Config) {
	c.KeyPeriod, c.KeyLead, c.JWKSMaxAge, c.KeyPoll, c.KeyBits = f.KeyPeriod, f.KeyLead, f.JWKSMaxAge, f.KeyPoll, f.KeyBits
	c.KeySnapshotCap, c.ClockSkew = f.KeySnapshotCap, f.ClockSkew
	if c.ClockSkew == 0 {
		c.ClockSkew = -1 // the zero value means the default there
	}
}

type tokenFlags struct {
	AccessTTL    time.Duration `name:"access-ttl" env:"AUTHD_ACCESS_TTL" group:"tokens" default:"10m" help:"Lifetime of an access token, 1m to 1h (${default})."`
	RefreshTTL   time.Duration `name:"refresh-ttl" env:"AUTHD_REFRESH_TTL" group:"tokens" default:"336h" help:"How long a refresh token may lie unused (${default})."`
	FamilyTTL    time.Duration `name:"family-ttl" env:"AUTHD_FAMILY_TTL" group:"tokens" default:"2160h" help:"When a sign-in ends in any case, at most 8784h (${default})."`
	RefreshGrace time.Duration `name:"refresh-grace" env:"AUTHD_REFRESH_GRACE" group:"tokens" default:"30s" help:"How long a refresh token that was used is answered once more with the same, for lost answers; at most 2m, 0s turns it off (${default})."`
	Accounts     bool          `name:"accounts" env:"AUTHD_ACCOUNTS" group:"tokens" help:"Turn the JSON calls /account/register, login, password, logout and families on, for first-party clients."`
	SignInPages  bool          `name:"sign-in-pages" env:"AUTHD_SIGN_IN_PAGES" group:"tokens" help:"Turn sign-in in the browser on: /oauth2/authorize, the pages to sign in and to consent, and /account."`
	Registration bool          `name:"registration" env:"AUTHD_REGISTRATION" group:"tokens" help:"Turn the page /register on: anybody may make an account. Needs --sign-in-pages."`
	Templates    string        `name:"templates" env:"AUTHD_TEMPLATES" group:"tokens" type:"existingdir" placeholder:"DIR" help:"Pages of your own, by the names of those that they replace, read at the start. Needs --sign-in-pages."`
}

func (f *tokenFlags) apply(c *authd.Config) {
	c.AccessTokenTTL, c.RefreshTokenTTL, c.FamilyTTL = f.AccessTTL, f.RefreshTTL, f.FamilyTTL
	c.RefreshGrace, c.Accounts, c.SignInPages, c.Registration = f.RefreshGrace, f.Accounts, f.SignInPages, f.Registration
	if f.Templates != "" {
		c.Templates = os.DirFS(f.Templates)
	}
	if c.RefreshGrace == 0 {
		c.RefreshGrace = -1 // the zero value means the default there
	}
}

// deviceFlags say where people sign in from, for the limits by address and to be kept. Which
// address is theirs depends on what stands in front, so that nobody but the operator can say it.
type deviceFlags struct {
	ClientAddress  string   `name:"client-address" env:"AUTHD_CLIENT_ADDRESS" group:"tokens" default:"off" placeholder:"off|peer|HEADER" help:"Where people sign in from: the address of the connection (peer), or the one that a proxy of --trusted-proxy writes into HEADER. Sign-ins are limited by it, and it is kept with the user agent for the first and the last use of each sign-in, for its owner and the operator to see (${default})."`
	Keep           bool     `name:"keep-client-address" env:"AUTHD_KEEP_CLIENT_ADDRESS" group:"tokens" default:"true" negatable:"" help:"With no, the address of --client-address is for the limits alone, and neither it nor the user agent is kept."`
	TrustedProxies []string `name:"trusted-proxy" env:"AUTHD_TRUSTED_PROXY" group:"tokens" placeholder:"CIDR" help:"Whose HEADER of --client-address is believed. May repeat."`
}

func (f *deviceFlags) apply(c *authd.Config) error {
	device, err := f.device()
	switch {
	case err != nil || device == nil:
		return err
	case f.Keep:
		c.Device = device
	default:
		c.ClientAddress = func(r *http.Request) netip.Addr { return device(r).Address }
	}
	return nil
}

// device is nil for off.
func (f *deviceFlags) device() (func(*http.Request) authd.Device, error) {
	if f.ClientAddress == "off" || f.ClientAddress == "peer" {
		if len(f.TrustedProxies) > 0 {
			return nil, wrongUse("authd serve --client-address X-Forwarded-For --trusted-proxy 10.0.0.0/8", "--trusted-proxy is for --client-address HEADER")
		}
		if f.ClientAddress == "peer" {
			return authd.PeerDevice, nil
		}
		return nil, nil
	}
	proxies, err := parsePrefixes(f.TrustedProxies)
	if err != nil {
		return nil, wrongUse("the form is 10.0.0.0/8 or 10.0.0.7", "--trusted-proxy: %w", err)
	}
	device, err := authd.ProxiedDevice(f.ClientAddress, proxies...)
	if err != nil {
		return nil, wrongUse("say which proxies write the header: --trusted-proxy 10.0.0.0/8", "--client-address: %w", err)
	}
	return device, nil
}

// parsePrefixes takes an address for the network that it is alone in.
func parsePrefixes(list []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, len(list))
	for i, text := range list {
		if address, err := netip.ParseAddr(text); err == nil {
			prefixes[i] = netip.PrefixFrom(address, address.BitLen())
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no network", text)
		}
		prefixes[i] = p
	}
	return prefixes, nil
}

// list takes values apart at spaces and commas and remembers whether it was given at all,
// which an empty value is.
type list struct {
	given  bool
	values []string
}

// Decode is called for each time that the flag stands.
func (l *list) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("list")
	if err != nil {
		return err
	}
	l.given = true
	switch v := token.Value.(type) {
	case string:
		l.values = append(l.values, strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })...)
	default:
		return fmt.Errorf("expected a list but got %q", v)
	}
	return nil
}
