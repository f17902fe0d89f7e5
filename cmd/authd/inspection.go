package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/go-authd/authd/internal/oauth"
)

// inspection is what is found out.
type inspection struct {
	Kind     string         `json:"kind"` // access token, refresh token or other
	Header   map[string]any `json:"header"`
	Claims   map[string]any `json:"claims"`
	Checked  string         `json:"checked_with"` // "" for none
	Accepted bool           `json:"accepted"`
	Reason   string         `json:"reason"`
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
