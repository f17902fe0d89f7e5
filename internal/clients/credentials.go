// Package clients is the registry of clients and their authentication.
package clients

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/go-authd/authd/internal/oauth"
)

// Credentials are what a request says of its client; nothing of them is checked yet.
type Credentials struct {
	id        string
	secret    string
	method    oauth.AuthMethod
	assertion *assertion // of oauth.PrivateKeyJWT
	proven    bool       // the assertion is good, and was taken
}

// ParseCredentials reads the client's credentials from all Authorization headers and the
// form (RFC 6749 §2.3.1). It returns a refusal with [oauth.InvalidRequest] for more than
// one way of authentication (RFC 6749 §2.3), else with [oauth.InvalidClient].
func ParseCredentials(authorization []string, form oauth.Form) (Credentials, error) {
	switch {
	case len(authorization) > 1:
		return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "more than one Authorization header")
	case len(authorization) == 1:
		return parseBasic(authorization[0], form)
	case hasAssertion(form):
		return parseAssertion(form)
	case form.Get("client_id") == "":
		if form.Get("client_secret") != "" {
			return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "client_id is missing")
		}
		return Credentials{}, oauth.Errorf(oauth.InvalidClient, "client authentication is missing")
	case form.Get("client_secret") != "":
		return Credentials{id: form.Get("client_id"), secret: form.Get("client_secret"), method: oauth.SecretPost}, nil
	default:
		return Credentials{id: form.Get("client_id"), method: oauth.AuthNone}, nil
	}
}

func parseBasic(header string, form oauth.Form) (Credentials, error) {
	if form.Get("client_secret") != "" || hasAssertion(form) {
		return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "client authenticates in more than one way")
	}
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") { // RFC 9110 §11.1
		return Credentials{}, refuse("scheme is not Basic")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	id, secret, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok {
		return Credentials{}, refuse("Basic credentials are malformed")
	}
	// Encoded as a form before they were joined: decode each exactly once.
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	if errID != nil || errSecret != nil || !oauth.IsText(id) || id == "" {
		return Credentials{}, refuse("Basic credentials are malformed")
	}
	if other := form.Get("client_id"); other != "" && other != id {
		return Credentials{}, oauth.Errorf(oauth.InvalidRequest, "client_id differs from the Basic credentials")
	}
	return Credentials{id: id, secret: secret, method: oauth.SecretBasic}, nil
}

// ClientID is the identifier that the request claims.
func (c Credentials) ClientID() string { return c.id }

// Check authenticates c against the registration, nil if there is none. The work and the
// answer are the same for an unknown client, a disabled one and a wrong secret; the rule
// that failed is for the log.
func (c Credentials) Check(client *oauth.Client) error {
	sum := sha256.Sum256([]byte(c.secret))
	matched := 0
	for i := range 2 { // always two comparisons
		var want [sha256.Size]byte
		live := 0
		if client != nil && i < len(client.Secrets) {
			live = subtle.ConstantTimeEq(int32(copy(want[:], client.Secrets[i].SHA256)), sha256.Size)
		}
		matched |= live & subtle.ConstantTimeCompare(sum[:], want[:])
	}
	switch {
	case client == nil:
		return refuse("unknown client")
	case client.DisabledAt != nil:
		return refuse("client is disabled")
	case c.method == oauth.PrivateKeyJWT && client.AuthMethod != oauth.PrivateKeyJWT:
		return refuse("client is not registered for private_key_jwt")
	case c.method == oauth.PrivateKeyJWT && !c.proven: // see Authenticator
		return refuse("the assertion was not verified")
	case c.method == oauth.PrivateKeyJWT:
		return nil
	case client.IsPublic() && c.method == oauth.AuthNone:
		return nil
	case client.IsPublic():
		return refuse("public client sent a secret")
	case c.method == oauth.AuthNone:
		return refuse("confidential client sent no secret")
	case matched != 1:
		return refuse("wrong secret")
	case c.method != client.AuthMethod: // the secret was right: it may know
		return oauth.Errorf(oauth.InvalidClient, "client is registered for %s", client.AuthMethod)
	}
	return nil
}

func refuse(rule string) error {
	return oauth.Errorf(oauth.InvalidClient, "client authentication failed").Because(rule)
}
