package main

import (
	"fmt"
	"io"
	"time"

	"github.com/go-authd/authd"
)

type keysRevokeCmd struct {
	KID string `arg:"" name:"kid" help:"Key identifier, as authd keys list shows it."`
	keyFlags
}

// Help teaches.
func (keysRevokeCmd) Help() string {
	return `For a private key that may be in wrong hands. It asks nothing, happens at once, and cannot be undone: the key leaves the JWKS, verifies nothing any more, and its private half is wiped. If it was signing, the announced key signs from now on, however young it is; if it was announced, another one is. Give the command the settings of the servers.

Servers follow within --key-poll. Verifiers that cached the JWKS trust the key until they fetch it again, --jwks-max-age later or whenever they think right: restart them where that is too long. People whose refresh token it signed must sign in again.

    authd keys list
    authd keys revoke Zs9Rb2sNsN1Gp0xDf-lqS8jY6gfrTMUy5ZbUqRzVh2o`
}

type revocationJSON struct {
	KID            string     `json:"kid"`
	Ring           string     `json:"ring"`
	Was            string     `json:"was"`
	AlreadyRevoked bool       `json:"already_revoked"`
	RevokedAt      *time.Time `json:"revoked_at"`
	Signing        string     `json:"signing"`
	Announced      string     `json:"announced"`
	Families       int64      `json:"families"`
	TokensUntil    *time.Time `json:"tokens_until"`
	Warnings       []string   `json:"warnings"`
}

// Run revokes.
func (c *keysRevokeCmd) Run(a *app) error {
	before, err := c.existing(a)
	if err != nil {
		return err
	}
	if _, ok := findKey(before, c.KID); !ok {
		return fmt.Errorf("key %s: %w", c.KID, authd.ErrNotFound)
	}
	return c.change(a, func(srv *authd.Server, _ authd.Config) error {
		r, err := srv.RevokeKey(a.ctx, c.KID)
		if err != nil {
			return err
		}
		keys, err := srv.Keys(a.ctx)
		if err != nil {
			return err
		}
		out := c.result(r, keys)
		return a.show(out, func(w io.Writer) { out.print(w) })
	})
}

func (c *keysRevokeCmd) result(r authd.KeyRevocation, keys []authd.Key) revocationJSON {
	revoked, _ := findKey(keys, r.KeyID)
	out := revocationJSON{
		KID: r.KeyID, Ring: r.Ring, Was: r.Was, AlreadyRevoked: r.Was == "revoked", RevokedAt: utc(revoked.RevokedAt),
		Signing: r.Signing, Announced: r.Announced, Families: r.Families, Warnings: c.warnings(r, keys),
	}
	if !r.TokensUntil.IsZero() {
		until := whole(r.TokensUntil)
		out.TokensUntil = &until
	}
	return out
}

// warnings say what the command cannot do.
func (c *keysRevokeCmd) warnings(r authd.KeyRevocation, keys []authd.Key) []string {
	out := []string{fmt.Sprintf("servers follow within %s (--key-poll); introspection and refreshes refuse what it signed at once", c.KeyPoll)}
	if r.Ring != authd.AccessRing {
		return out
	}
	out = append(out, fmt.Sprintf("nobody can call the JWKS back: verifiers that cache it trust the key until their cache ends, %s (--jwks-max-age) after they fetched it or whenever they think right; restart them where that is too long", c.JWKSMaxAge))
	if r.Was != "signing" {
		return out
	}
	if announced, safe, young := c.youngSigner(r, keys); young {
		out = append(out, youngKey(announced, safe))
	}
	return out
}

// youngSigner reports whether the key that took the place was announced a shorter time ago
// than the safe lead. The one announced with the ring is old enough: no verifier holds a
// set without it.
func (c *keysRevokeCmd) youngSigner(r authd.KeyRevocation, keys []authd.Key) (announced, safe time.Time, young bool) {
	k, ok := findKey(keys, r.Signing)
	if !ok || k.SignsFrom == nil || k.AnnouncedAt.Equal(ringOf(keys, r.Ring)[0].AnnouncedAt) {
		return announced, safe, false
	}
	safe = k.AnnouncedAt.Add(c.safeLead())
	return k.AnnouncedAt, whole(safe), safe.After(*k.SignsFrom)
}

func (r *revocationJSON) print(w io.Writer) {
	if r.AlreadyRevoked {
		fmt.Fprintf(w, "key %s was revoked already, at %s; nothing is changed\n", r.KID, maybe(r.RevokedAt))
	} else {
		fmt.Fprintf(w, "key %s is revoked; it was %s\n", r.KID, r.Was)
	}
	facts(w, "  ring", r.Ring, "  signing now", r.Signing, "  announced now", r.Announced, "  tokens", r.tokens(), "  families", r.families())
	fmt.Fprintln(w)
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "- %s\n", warning)
	}
}

func (r *revocationJSON) tokens() string {
	if r.TokensUntil == nil {
		return "none: it never signed"
	}
	return "the last would have expired by " + at(*r.TokensUntil)
}

// families: only refresh tokens are known one by one.
func (r *revocationJSON) families() string {
	switch {
	case r.Ring == authd.AccessRing:
		return ""
	case r.Families == 0:
		return "0: nobody has to sign in again"
	}
	return fmt.Sprintf("%d: their people have to sign in again", r.Families)
}
