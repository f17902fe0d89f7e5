package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/rs"
)

type tokenCmd struct {
	Inspect tokenInspectCmd `cmd:"" help:"Say what a token is, and whether it would be accepted, and why not."`
}

type tokenInspectCmd struct {
	File   string `arg:"" optional:"" default:"-" help:"File with the token; - or nothing: stdin. Never the token itself: other users see arguments."`
	JWKS   string `name:"jwks" placeholder:"FILE" help:"Check the signature with the keys in this file."`
	Issuer string `name:"issuer" env:"AUTHD_ISSUER" placeholder:"URL" help:"Fetch the keys from this issuer, unless --jwks or --database-url is given; compared with iss in any case."`
	databaseFlags
}

// Help teaches.
func (tokenInspectCmd) Help() string {
	return `With --jwks or --issuer the token is verified as a resource server does, offline: it is not known whether it was revoked, and refresh tokens cannot be checked. With a database (--database-url, or the one in --data-dir) it is judged as authd itself does. With neither only its content is shown. Nothing is changed: a refresh token is not used up.

Exit status 3 if it would be refused, or if its signature could not be checked.

    authd token inspect < token.txt
    authd token inspect token.txt --issuer https://auth.example.com`
}

// Run inspects.
func (c *tokenInspectCmd) Run(a *app) error {
	raw, err := c.read(a.stdin)
	if err != nil {
		return err
	}
	out, err := decode(raw)
	if err != nil {
		return err
	}
	if err := c.judge(a.ctx, raw, &out); err != nil {
		return err
	}
	if err := a.show(out, func(w io.Writer) { out.print(w, time.Now()) }); err != nil {
		return err
	}
	switch {
	case out.Checked == "":
		return &problem{
			exit: exitRefused, code: "unchecked", err: errors.New("signature not checked"),
			hints: []string{"give keys: --jwks FILE, --issuer URL or --database-url URL"},
		}
	case !out.Accepted:
		return &problem{exit: exitRefused, code: "refused", err: errors.New("the token would be refused: " + out.Reason)}
	}
	return nil
}

var looksLikeToken = regexp.MustCompile(`^[\w-]{8,}\.[\w-]+\.[\w-]*$`)

func (c *tokenInspectCmd) read(stdin io.Reader) (string, error) {
	if looksLikeToken.MatchString(c.File) && !exists(c.File) {
		return "", wrongUse("authd token inspect < FILE", "the token stands on the command line, where other users see it")
	}
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		stdin = f
	}
	b, err := io.ReadAll(io.LimitReader(stdin, 64<<10))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if len(text) > 7 && strings.EqualFold(text[:7], "Bearer ") {
		text = strings.TrimSpace(text[7:])
	}
	if text == "" {
		return "", wrongUse("authd token inspect < FILE", "there is no token")
	}
	return text, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// judge chooses where the keys come from. A refresh token's are in the database only.
func (c *tokenInspectCmd) judge(ctx context.Context, raw string, out *inspection) error {
	refresh := out.Kind == "refresh token"
	local := exists(filepath.Join(c.DataDir, "postgres.json"))
	switch {
	case c.JWKS != "" && !refresh:
		return c.byFile(ctx, raw, out)
	case c.DatabaseURL != "":
		return c.byDatabase(ctx, raw, out)
	case c.Issuer != "" && !refresh:
		return c.byIssuer(ctx, raw, out)
	case local:
		return c.byDatabase(ctx, raw, out)
	}
	out.Reason = "signature not checked"
	if refresh && c.JWKS+c.Issuer != "" {
		out.Reason = "signature not checked: only authd's database has the keys of refresh tokens"
	}
	return nil
}

func (c *tokenInspectCmd) byFile(ctx context.Context, raw string, out *inspection) error {
	b, err := os.ReadFile(c.JWKS)
	if err != nil {
		return err
	}
	keys, err := rs.StaticKeys(b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.JWKS, err)
	}
	issuer := c.Issuer
	if issuer == "" {
		issuer = stringClaim(out.Claims, "iss")
	}
	return verify(ctx, raw, rs.Config{Issuer: issuer, Keys: keys}, "the keys in "+c.JWKS, out)
}

func (c *tokenInspectCmd) byIssuer(ctx context.Context, raw string, out *inspection) error {
	return verify(ctx, raw, rs.Config{Issuer: c.Issuer}, "the keys of "+c.Issuer, out)
}

// verify is what a resource server does that the token is for: its aud is taken at its word.
func verify(ctx context.Context, raw string, cfg rs.Config, with string, out *inspection) error {
	cfg.Logger = commandLogger()
	cfg.Audience = audience(out.Claims)
	if cfg.Issuer == "" || cfg.Audience == "" {
		out.Checked, out.Reason = with, "iss or aud is missing"
		return nil
	}
	v, err := rs.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer v.Close()
	_, err = v.Verify(ctx, raw)
	if errors.Is(err, rs.ErrUnavailable) {
		return err
	}
	out.Checked, out.Accepted = with+"; revocation not checked", err == nil
	if err != nil {
		out.Reason = strings.TrimPrefix(err.Error(), "rs: ")
	}
	return nil
}

func (c *tokenInspectCmd) byDatabase(ctx context.Context, raw string, out *inspection) error {
	return c.admin(ctx, func(admin *authd.Admin) error {
		err := admin.InspectToken(ctx, raw, c.Issuer)
		refused, ok := errors.AsType[*authd.RefusedError](err)
		if err != nil && !ok {
			return err
		}
		out.Checked, out.Accepted = "the database", err == nil
		if ok {
			out.Reason = refused.Reason
		}
		return nil
	})
}
