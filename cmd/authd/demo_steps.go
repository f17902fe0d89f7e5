package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-authd/authd"
)

// ordersAudience is what tokens for the resource server of the demo are for.
const ordersAudience = "https://orders.example"

var demoSteps = []demoStep{
	{"Start a server", (*demo).start, "An issuer with a PostgreSQL of its own. It made its first signing keys and sealed them in the database."},
	{"Register who takes part", (*demo).register, "shop is a client: it may ask for tokens. orders is a resource server: an API that takes them. ada is a person. Of secrets and passwords the database has hashes only."},
	{"A program gets an access token", (*demo).clientCredentials, "The client proved who it is and got a token for itself, good for ten minutes. Nothing about this token was written to the database."},
	{"A person signs in", (*demo).signIn, "The shop's own sign-in form sends ada's password once and keeps a pair instead: a short access token to show to APIs, and a refresh token to get the next one."},
	{"Look inside an access token", (*demo).lookInside, "A JWT as RFC 9068 wants it: signed, not encrypted, so anybody may read it and nobody can change it."},
	{"The API verifies tokens offline", (*demo).verifyOffline, "The JWKS has the key that signs and the next one, and it is all that the API needs: package rs checks signature, issuer, audience, time and scope where the token is used, and asks nobody. Libraries of other languages do the same."},
	{"Rotate the signing keys", (*demo).rotateKeys, "Old tokens stay good, new ones carry another kid, and the API did not even fetch keys: the next key is always published before it signs. --force is for this run only, since its keys are seconds old."},
	{"Refresh", (*demo).refresh, "A refresh token works once. It is replaced with each use, so that a copy of it cannot live on unseen."},
	{"The answer got lost, so the shop asks again", (*demo).replay, "Within 30 seconds the same refresh token gets the same successor again (look at step 8): a dropped connection or two browser tabs log nobody out."},
	{"A thief shows an older refresh token", (*demo).steal, "Only a copy can explain it, and nobody can tell the thief from the owner. So the whole family ends, the newest tokens too, and ada signs in again."},
	{"Ask authd about a token", (*demo).introspect, "Introspection answers what the database says in this moment. It costs a request, and sees what offline verification cannot."},
	{"Revoke it", (*demo).revoke, "From that answer on, authd calls the token inactive, on every replica. Who verifies offline accepts it until it expires: this is why access tokens are short."},
}

func (d *demo) register() error {
	d.page.sent("authd", "clients create shop", "--first-party", "--grant client_credentials", "--grant refresh_token",
		"--scope orders:read", "--scope orders:write", "--audience "+ordersAudience)
	var err error
	_, d.shopSecret, err = d.srv.CreateClient(d.ctx, authd.Client{
		ID: "shop", FirstParty: true, GrantTypes: []string{"client_credentials", "refresh_token"},
		Scopes: []string{"orders:read", "orders:write"}, Audiences: []string{ordersAudience},
	})
	if err != nil {
		return err
	}
	d.page.got("client_secret", shorten(d.shopSecret))

	d.page.sent("authd", "clients create orders", "--resource-server", "--audience "+ordersAudience)
	_, d.apiSecret, err = d.srv.CreateClient(d.ctx, authd.Client{ID: "orders", ResourceServer: true, Audiences: []string{ordersAudience}})
	if err != nil {
		return err
	}
	d.page.got("client_secret", shorten(d.apiSecret))
	return d.createUser()
}

func (d *demo) createUser() error {
	d.password = rand.Text() + rand.Text()
	d.page.sent("authd", "users create ada", "--password-stdin")
	user, err := d.srv.CreateUser(d.ctx, authd.NewUser{Username: "ada", Password: d.password})
	if err != nil {
		return err
	}
	d.ada = user.Subject
	d.page.got("sub", user.Subject)
	return nil
}

func (d *demo) clientCredentials() error {
	a, err := d.call(d.asShop("/oauth2/token", "grant_type", "client_credentials", "scope", "orders:read"),
		status(200), is("token_type", "Bearer"), is("expires_in", 600.0), is("scope", "orders:read"),
		hasText("access_token"), hasNo("refresh_token"))
	d.machine = a.str("access_token")
	return err
}

func (d *demo) signIn() error {
	r := d.asShop("/account/login")
	r.json = fmt.Sprintf(`{"username":"ada","password":%q}`, d.password)
	return d.keepTokens(d.call(r, status(200), hasText("access_token", "refresh_token"), is("scope", "orders:read orders:write")))
}

// keepTokens adds a generation to the family.
func (d *demo) keepTokens(a demoAnswer, err error) error {
	if err == nil {
		d.family = append(d.family, demoTokens{a.str("access_token"), a.str("refresh_token")})
	}
	return err
}

func (d *demo) lookInside() error {
	token := d.family[0].access
	d.page.comment("ada's, its first two parts base64url-decoded; authd token inspect does it too:")
	header, err := tokenPart(token, 0)
	if err != nil {
		return err
	}
	d.page.json(header.text, claimNotes)
	claims, err := tokenPart(token, 1)
	if err != nil {
		return err
	}
	d.page.json(claims.text, claimNotes)
	return errors.Join(
		check(header, is("alg", "RS256"), is("typ", "at+jwt"), hasText("kid")),
		check(claims, is("iss", d.issuer), is("sub", d.ada), is("aud", ordersAudience), is("client_id", "shop"),
			is("scope", "orders:read orders:write"), is("fresh", true), hasText("jti", "sid")))
}

var claimNotes = map[string]string{
	"typ":       "an access token, never taken for another kind",
	"kid":       "which key signed it",
	"iss":       "who issued it",
	"sub":       "whom it speaks for",
	"aud":       "which API it is for",
	"client_id": "who asked for it",
	"scope":     "what it allows",
	"exp":       "when it ends",
	"jti":       "its own name",
	"sid":       "its family: this sign-in",
	"fresh":     "straight from a sign-in",
}

// tokenPart decodes the header (0) or the claims (1), as anybody can.
func tokenPart(token string, i int) (a demoAnswer, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return a, errors.New("the token has not three parts")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		return a, err
	}
	a.text = string(b)
	return a, json.Unmarshal(b, &a.member)
}

func (d *demo) verifyOffline() error {
	keys, err := d.call(demoRequest{url: d.issuer + "/.well-known/jwks.json"}, status(200))
	if err != nil {
		return err
	}
	if n := len(keys.list("keys")); n != 2 {
		return fmt.Errorf("%d keys are published, want the one that signs and the next", n)
	}
	return d.showVerification(d.family[0].access)
}

func (d *demo) showVerification(user string) error {
	if _, err := d.call(demoRequest{url: d.orders, bearer: d.machine}, status(200), is("for", "shop")); err != nil {
		return err
	}
	if _, err := d.call(demoRequest{url: d.orders, bearer: user}, status(200), is("for", d.ada)); err != nil {
		return err
	}
	d.page.comment("a scope that the token does not have:")
	_, err := d.call(demoRequest{method: "DELETE", url: d.orders, bearer: user}, status(403), is("error", "insufficient_scope"))
	if err != nil {
		return err
	}
	d.page.comment("one letter of the claims changed on the way:")
	if _, err := d.call(demoRequest{url: d.orders, bearer: tampered(user)}, status(401), is("error", "invalid_token")); err != nil {
		return err
	}
	return d.wantSilence()
}

// tampered changes a letter in the middle of the claims.
func tampered(token string) string {
	parts := strings.Split(token, ".")
	claims := []byte(parts[1])
	middle := len(claims) / 2
	letter := byte('A')
	if claims[middle] == letter {
		letter = 'B'
	}
	claims[middle] = letter
	return parts[0] + "." + string(claims) + "." + parts[2]
}

// wantSilence holds the resource server to its word: metadata and keys at its start, and
// nothing since.
func (d *demo) wantSilence() error {
	if n := d.fromAPI.calls.Load(); n != 2 {
		return fmt.Errorf("the API asked authd %d times, want 2", n)
	}
	d.page.got("what the API asked authd so far", "metadata and keys, once, at its start")
	return nil
}

func (d *demo) rotateKeys() error {
	d.page.sent("authd", "keys rotate", "--force")
	rotation, err := d.srv.RotateKeys(d.ctx, true)
	if err != nil {
		return err
	}
	d.page.got("signed until now", shorten(rotation.Access.Previous))
	d.page.got("signs from now on", shorten(rotation.Access.Signing))
	d.page.got("announced as the next", shorten(rotation.Access.Announced))
	old := d.machine
	if err := d.clientCredentials(); err != nil {
		return err
	}
	if err := errors.Join(signedBy(old, rotation.Access.Previous), signedBy(d.machine, rotation.Access.Signing)); err != nil {
		return err
	}
	d.page.comment("the token from before, and the new one:")
	for _, token := range []string{old, d.machine} {
		if _, err := d.call(demoRequest{url: d.orders, bearer: token}, status(200), is("for", "shop")); err != nil {
			return err
		}
	}
	return d.wantSilence()
}

func signedBy(token, kid string) error {
	header, err := tokenPart(token, 0)
	if err != nil {
		return err
	}
	return check(header, is("kid", kid))
}

func (d *demo) refresh() error {
	last := d.family[len(d.family)-1]
	return d.keepTokens(d.call(d.refreshing(last), status(200), hasText("access_token"), isNot("refresh_token", last.refresh)))
}

func (d *demo) replay() error {
	_, err := d.call(d.refreshing(d.family[0]), status(200), hasText("access_token"), is("refresh_token", d.family[1].refresh))
	return err
}

func (d *demo) steal() error {
	d.page.comment("the shop goes on:")
	if err := d.refresh(); err != nil {
		return err
	}
	d.page.comment("the thief comes with the very first refresh token:")
	if _, err := d.call(d.refreshing(d.family[0]), status(400), is("error", "invalid_grant")); err != nil {
		return err
	}
	d.page.comment("and now the newest does not work either:")
	newest := d.family[len(d.family)-1]
	if _, err := d.call(d.refreshing(newest), status(400), is("error", "invalid_grant")); err != nil {
		return err
	}
	_, err := d.call(d.asking(newest.access), status(200), is("active", false))
	return err
}

func (d *demo) introspect() error {
	_, err := d.call(d.asking(d.machine), status(200), is("active", true), is("sub", "shop"), is("scope", "orders:read"), is("aud", ordersAudience))
	return err
}

func (d *demo) revoke() error {
	if _, err := d.call(d.asShop("/oauth2/revoke", "token", d.machine), status(200)); err != nil {
		return err
	}
	if _, err := d.call(d.asking(d.machine), status(200), is("active", false)); err != nil {
		return err
	}
	_, err := d.call(demoRequest{url: d.orders, bearer: d.machine}, status(200), is("for", "shop"))
	return err
}

func (d *demo) asShop(path string, form ...string) demoRequest {
	return demoRequest{url: d.issuer + path, user: "shop", secret: d.shopSecret, form: form}
}

func (d *demo) refreshing(t demoTokens) demoRequest {
	return d.asShop("/oauth2/token", "grant_type", "refresh_token", "refresh_token", t.refresh)
}

// asking is introspection by the resource server.
func (d *demo) asking(token string) demoRequest {
	return demoRequest{url: d.issuer + "/oauth2/introspect", user: "orders", secret: d.apiSecret, form: []string{"token", token}}
}
