package rs

import (
	"errors"
	"slices"

	"github.com/go-authd/authd/internal/oauth"
)

// Any joins verifiers of different issuers, for a resource server that accepts the tokens of all of them. The issuer that
// a token claims chooses the verifier, which then decides alone, with its own keys, audience, leeway, revocation and
// subject loader: a token that says A and is signed by B is refused by A's verifier.
//
// All that concerns requests rather than tokens (Locations, Realm, OnError, AllowPreflight, Metadata) is the first
// verifier's. Close closes them all.
func Any(verifiers ...*Verifier) (*Verifier, error) {
	if len(verifiers) == 0 || slices.Contains(verifiers, nil) {
		return nil, errors.New("rs: Any needs verifiers")
	}
	joined := &Verifier{cfg: verifiers[0].cfg, metadataURL: verifiers[0].metadataURL, close: func() {
		for _, v := range verifiers {
			v.close()
		}
	}}
	for _, v := range verifiers {
		for _, of := range v.all() {
			if joined.of(of.cfg.Issuer) != nil {
				return nil, errors.New("rs: two verifiers for issuer " + of.cfg.Issuer)
			}
			joined.issuers = append(joined.issuers, of)
		}
	}
	return joined, nil
}

// all are the verifiers that v stands for: itself, unless Any made it.
func (v *Verifier) all() []*Verifier {
	if v.issuers == nil {
		return []*Verifier{v}
	}
	return v.issuers
}

func (v *Verifier) of(issuer string) *Verifier {
	i := slices.IndexFunc(v.issuers, func(of *Verifier) bool { return of.cfg.Issuer == issuer })
	if i < 0 {
		return nil
	}
	return v.issuers[i]
}

// chosen is the verifier that decides about a token. What the token says is not verified yet, and chooses nothing else.
func (v *Verifier) chosen(token string) (*Verifier, error) {
	if v.issuers == nil {
		return v, nil
	}
	for _, of := range v.issuers {
		if of.seen.has(token) {
			return of, nil
		}
	}
	c, err := oauth.ParseCompact(token)
	if err != nil {
		return nil, invalid(err)
	}
	claims, err := c.Claims()
	if err != nil {
		return nil, invalid(errors.New("claims cannot be read"))
	}
	issuer, _ := claims["iss"].(string)
	of := v.of(issuer)
	if of == nil {
		return nil, invalid(errors.New("iss is no issuer of ours"))
	}
	return of, nil
}
