package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/oauth"
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

// inspection is what is found out.
type inspection struct {
	Kind     string         `json:"kind"` // access token, refresh token or other
	Header   map[string]any `json:"header"`
	Claims   map[string]any `json:"claims"`
	Checked  string         `json:"checked_with"` // "" for none
	Accepted bool           `json:"accepted"`
	Reason   string         `json:"reason"`
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

// decode shows more than would ever be accepted, and verifies nothing.
func decode(raw string) (inspection, error) {
	out := inspection{Kind: "other"}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return out, &problem{exit: exitRefused, code: "refused", err: fmt.Errorf("this is no JWT: it has %d parts, not three", len(parts))}
	}
	for i, into := range []*map[string]any{&out.Header, &out.Claims} {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[i], "="))
		if err == nil {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			err = d.Decode(into)
		}
		if err != nil || *into == nil {
			return out, &problem{exit: exitRefused, code: "refused", err: fmt.Errorf("this is no JWT: part %d is no JSON object in base64url", i+1)}
		}
	}
	typ, _ := out.Header["typ"].(string)
	switch {
	case oauth.TypIs(typ, oauth.TypeAccessToken):
		out.Kind = "access token"
	case oauth.TypIs(typ, oauth.TypeRefreshToken):
		out.Kind = "refresh token"
	}
	return out, nil
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

func stringClaim(claims map[string]any, name string) string {
	s, _ := claims[name].(string)
	return s
}

// audience is the first of aud.
func audience(claims map[string]any) string {
	if list, ok := claims["aud"].([]any); ok && len(list) > 0 {
		s, _ := list[0].(string)
		return s
	}
	return stringClaim(claims, "aud")
}

func (i *inspection) print(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "%s\n\nheader  %s\nclaims  %s\n\n", i.Kind, indented(i.Header), indented(i.Claims))
	var times []string
	for _, name := range []string{"auth_time", "iat", "nbf", "exp"} {
		if n, ok := i.Claims[name].(json.Number); ok {
			times = append(times, name, inWords(n, now))
		}
	}
	facts(w, times...)
	switch {
	case i.Checked == "":
		fmt.Fprintln(w, "\n"+i.Reason)
	case i.Accepted:
		fmt.Fprintf(w, "\naccepted, by %s\n", i.Checked)
	default:
		fmt.Fprintf(w, "\nrefused, by %s: %s\n", i.Checked, i.Reason)
	}
}

func indented(v map[string]any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("        ", "  ")
	_ = e.Encode(v) // it was JSON before
	return printable(strings.TrimSpace(b.String()))
}

// printable escapes what JSON leaves as it is and a terminal may obey: C1 controls, direction marks.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// inWords is a NumericDate (RFC 7519 §2) as a time and its distance from now.
func inWords(n json.Number, now time.Time) string {
	seconds, err := n.Float64()
	if err != nil || seconds < 0 || seconds > 1e11 {
		return n.String() + ", no time"
	}
	t := time.Unix(int64(seconds), 0)
	distance := t.Sub(now).Round(time.Second)
	if distance < 0 {
		return fmt.Sprintf("%s, %s ago", at(t), -distance)
	}
	return fmt.Sprintf("%s, in %s", at(t), distance)
}
