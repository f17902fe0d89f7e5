package main

import (
	"strings"
)

// flagsOf says by which flag a field of authd.Config is set.
var flagsOf = strings.NewReplacer(
	"Config.Issuer", "--issuer", "Config.DB", "--database-url", "Config.AccessTokenTTL", "--access-ttl",
	"Config.RefreshTokenTTL", "--refresh-ttl", "Config.FamilyTTL", "--family-ttl", "Config.RefreshGrace", "--refresh-grace",
)

// configProblem tells a setting that package authd refuses by the name of its flag.
func configProblem(err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "authd: ")
	p := &problem{exit: exitUsage, code: "config", err: renamed{flagsOf.Replace(text), err}}
	switch {
	case strings.HasPrefix(text, "Config.Issuer must be https"):
		p.hints = []string{"where that is no concern, --insecure-issuer allows it"}
	case strings.HasPrefix(text, "Config."):
	case strings.HasPrefix(text, "keys: "):
		p.hints = []string{"see --key-period, --key-lead, --jwks-max-age, --key-snapshot-cap, --clock-skew, --key-poll, --key-bits and --kek-file"}
	default:
		return err
	}
	return p
}

// renamed is an error by another text.
type renamed struct {
	text string
	error
}

func (r renamed) Error() string { return r.text }
func (r renamed) Unwrap() error { return r.error }
