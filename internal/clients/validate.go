package clients

import (
	"slices"
	"strings"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

// Bounds of a registration's lifetimes. The server's own settings may be narrower.
const (
	MinAccessTTL  = time.Minute
	MaxAccessTTL  = time.Hour
	MinRefreshTTL = time.Minute
	MaxRefreshTTL = 366 * 24 * time.Hour
)

const maxClientID = 128

// Validate brings c into the form in which it is kept. It returns a refusal with [oauth.InvalidRequest] that names the member (RFC 7591
// §2) and the remedy.
func Validate(c *oauth.Client) error {
	checks := []func(*oauth.Client) error{
		checkID, checkGrants, checkScopes, checkAudiences, checkURIs, checkLogout, checkLifetimes, checkKind, checkKeys,
	}
	for _, check := range checks {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return oauth.Errorf(oauth.InvalidRequest, format, args...)
}

// RFC 6749 appendix A.1: client-id = *VSCHAR. Spaces and colons are refused beside it:
// they do not survive Basic credentials and lists.
func checkID(c *oauth.Client) error {
	if c.ID == "" || len(c.ID) > maxClientID {
		return invalid("client_id must have 1 to %d characters", maxClientID)
	}
	for i := range len(c.ID) {
		if b := c.ID[i]; b <= ' ' || b >= 0x7f || b == ':' || b == '"' || b == '\\' {
			return invalid("client_id must be printable ASCII without spaces, colons, quotes and backslashes")
		}
	}
	if strings.HasPrefix(c.ID, oauth.UserPrefix) {
		return invalid("client_id must not begin with %s, which is for users", oauth.UserPrefix)
	}
	if !oauth.IsText(c.Name) || len(c.Name) > 200 {
		return invalid("client_name must be at most 200 bytes of text")
	}
	return nil
}

func checkGrants(c *oauth.Client) error {
	for _, g := range c.GrantTypes {
		switch g {
		case oauth.ClientCredentials:
			if c.IsPublic() { // RFC 6749 §4.4
				return invalid("a public client cannot use client_credentials")
			}
		case oauth.RefreshToken, oauth.AuthorizationCode:
		default:
			return invalid("grant type is not one of client_credentials, refresh_token, authorization_code")
		}
	}
	return nil
}

func checkScopes(c *oauth.Client) error {
	if len(c.Scopes) > oauth.MaxScopes {
		return invalid("scope names more than %d values", oauth.MaxScopes)
	}
	if _, err := oauth.NewScopes(c.Scopes...); err != nil {
		return invalid("scope values must be printable ASCII without spaces, quotes and backslashes")
	}
	return nil
}

func checkAudiences(c *oauth.Client) error {
	if len(c.Audiences) > 100 {
		return invalid("audience names more than 100 values")
	}
	for _, a := range c.Audiences {
		if a == "" || len(a) > 1024 || !oauth.IsText(a) || strings.ContainsAny(a, " #") {
			return invalid("audience values must be 1 to 1024 bytes without spaces and fragments (RFC 8707 §2)")
		}
	}
	if c.Scopes.Has(oauth.ScopeOpenID) && slices.Contains(c.Audiences, c.ID) { // RFC 9068 §5
		return invalid("client_id must not be one of the audiences of a client with scope openid: its ID tokens would pass for access tokens")
	}
	return nil
}

func checkURIs(c *oauth.Client) error {
	for _, uri := range c.RedirectURIs {
		if err := oauth.CheckRedirectURI(uri); err != nil {
			return err
		}
	}
	for _, origin := range c.AllowedOrigins {
		if err := oauth.CheckOrigin(origin); err != nil {
			return err
		}
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if err := oauth.CheckPostLogoutURI(uri); err != nil {
			return err
		}
	}
	if len(c.RedirectURIs) > 100 || len(c.AllowedOrigins) > 100 || len(c.PostLogoutRedirectURIs) > 100 {
		return invalid("more than 100 redirect URIs or allowed origins")
	}
	return nil
}

func checkLogout(c *oauth.Client) error {
	if c.BackchannelLogoutURI != "" {
		return oauth.CheckBackchannelLogoutURI(c.BackchannelLogoutURI)
	}
	if c.BackchannelLogoutSessionRequired {
		return invalid("backchannel_logout_session_required needs a backchannel_logout_uri")
	}
	return nil
}

func checkLifetimes(c *oauth.Client) error {
	if d := c.AccessTTL; d != 0 && (d < MinAccessTTL || d > MaxAccessTTL || d%time.Second != 0) {
		return invalid("access token lifetime must be whole seconds from %s to %s", MinAccessTTL, MaxAccessTTL)
	}
	if d := c.RefreshTTL; d != 0 && (d < MinRefreshTTL || d > MaxRefreshTTL || d%time.Second != 0) {
		return invalid("refresh token lifetime must be whole seconds from %s to %s", MinRefreshTTL, MaxRefreshTTL)
	}
	return nil
}

func checkKind(c *oauth.Client) error {
	switch c.AuthMethod {
	case oauth.SecretBasic, oauth.SecretPost, oauth.PrivateKeyJWT:
	case oauth.AuthNone:
		if c.ResourceServer { // RFC 7662 §2.1: introspection needs authentication
			return invalid("a resource server must be a confidential client")
		}
		if c.PKCEOptional { // RFC 9700 §2.1.1
			return invalid("a public client cannot do without PKCE")
		}
	default:
		return invalid("authentication method is not one of client_secret_basic, client_secret_post, private_key_jwt, none")
	}
	return nil
}

// checkKeys also brings the set into the form in which it is kept.
func checkKeys(c *oauth.Client) (err error) {
	switch {
	case c.AuthMethod != oauth.PrivateKeyJWT && (c.JWKS != "" || c.JWKSURI != ""):
		return invalid("jwks and jwks_uri are for the authentication method private_key_jwt")
	case c.AuthMethod != oauth.PrivateKeyJWT:
		return nil
	case (c.JWKS == "") == (c.JWKSURI == ""): // RFC 7591 §2: never both
		return invalid("private_key_jwt needs the client's public keys: either jwks or jwks_uri")
	case c.JWKSURI != "":
		return oauth.CheckJWKSURI(c.JWKSURI)
	}
	c.JWKS, err = normalizeKeySet(c.JWKS)
	return err
}
