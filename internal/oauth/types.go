package oauth

import (
	"time"
)

// GrantType is how a token is asked for (RFC 6749 §1.3).
type GrantType string

// Grant types that may be registered; those whose endpoint is off are refused when used.
const (
	ClientCredentials GrantType = "client_credentials"
	RefreshToken      GrantType = "refresh_token"
	AuthorizationCode GrantType = "authorization_code"
)

// AuthMethod is how a client authenticates at the token endpoint (RFC 7591 §2).
type AuthMethod string

// The methods of RFC 7591 §2 and OIDC Core §9 that a registration may name.
const (
	SecretBasic   AuthMethod = "client_secret_basic"
	SecretPost    AuthMethod = "client_secret_post"
	PrivateKeyJWT AuthMethod = "private_key_jwt" // RFC 7523 §2.2
	AuthNone      AuthMethod = "none"            // public client
)

// The "typ" headers of the three kinds of token.
const (
	TypeAccessToken  = "at+jwt" // RFC 9068 §2.1
	TypeRefreshToken = "rt+jwt" // ours: no verifier of access tokens takes it
	TypeIDToken      = "JWT"    // OIDC Core §2 names none: the default of RFC 7519 §5.1
)

// UserPrefix begins the subject of every built-in user. A client may not be registered
// with it: subjects of people and of clients never meet (RFC 9068 §5).
const UserPrefix = "usr_"

// Client is a registration.
type Client struct {
	ID           string
	Name         string
	AuthMethod   AuthMethod
	GrantTypes   []GrantType
	RedirectURIs []string
	// PostLogoutRedirectURIs are where a browser may go after a sign-out.
	PostLogoutRedirectURIs []string
	AllowedOrigins         []string
	Scopes                 Scopes
	Audiences              []string
	// AccessTTL and RefreshTTL are 0 where the server's defaults hold.
	AccessTTL, RefreshTTL time.Duration
	FirstParty            bool
	ResourceServer        bool
	// PKCEOptional lets a confidential client ask for codes without a challenge.
	PKCEOptional bool
	// RequirePushedRequests refuses authorization requests that were not pushed (RFC 9126 §6).
	RequirePushedRequests bool
	CreatedAt             time.Time
	DisabledAt            *time.Time
	// EndedAt: access tokens without a family and with a smaller iat are dead.
	EndedAt *time.Time
	// Epoch counts the times at which all families of the client were ended.
	Epoch int64
	// Secrets are the live ones, at most two.
	Secrets []ClientSecret
	// JWKS holds the public keys of a client with [PrivateKeyJWT], as RFC 7517 JSON, or
	// JWKSURI says where they are. Of the two, one is "".
	JWKS, JWKSURI string
}

// ClientSecret is what is kept of a secret: enough to check it, not enough to use it.
type ClientSecret struct {
	ID        string // the first 8 hex digits of SHA256; tells two apart
	SHA256    []byte
	CreatedAt time.Time
}

// IsPublic reports whether the client has neither secret nor key (RFC 6749 §2.1).
func (c *Client) IsPublic() bool { return c.AuthMethod == AuthNone }

// CheckFirstParty returns a refusal with [UnauthorizedClient], 403, to a client that may not
// use the account calls.
func (c *Client) CheckFirstParty() error {
	if c.FirstParty {
		return nil
	}
	return &Error{Code: UnauthorizedClient, Status: 403, Description: "client is not registered as first-party"}
}

// HasGrant reports whether the registration names the grant type.
func (c *Client) HasGrant(g GrantType) bool {
	for _, have := range c.GrantTypes {
		if have == g {
			return true
		}
	}
	return false
}

// User is a row of the built-in user store.
type User struct {
	Subject    string // "usr_" and 26 base32 characters, never reused
	Username   string
	Email      string
	Name       string
	CreatedAt  time.Time
	DisabledAt *time.Time
}

// Authentication is what a sign-in proved.
type Authentication struct {
	Subject string
	// Epoch is the subject's epoch read together with what was verified, so that a
	// password change in between kills the result.
	Epoch int64
	// Ended is set where the epoch could only be read afterwards, as with a host's users:
	// when the subject was last ended. A sign-in that it overtook does not count.
	Ended *time.Time
	Time  time.Time
	AMR   []string // RFC 8176
	ACR   string
	// Device is where it came from; zero where that is not kept.
	Device Device
	// Account is the throttle's key, whose failures the grant clears; nil for none.
	Account []byte
	// Name is how pages call the person; "" for as it was typed.
	Name string
}

// Grant is what tokens are about to be issued for; what a claims hook is told.
type Grant struct {
	Type     GrantType // "" for a sign-in by the account calls
	ClientID string
	Subject  string
	Scopes   Scopes
	Audience string
	FamilyID string // "" for client_credentials
	AuthTime time.Time
	AMR      []string
	ACR      string
	Fresh    bool // straight from a sign-in
}

// Family is what descends from one sign-in of one subject at one client.
type Family struct {
	ID       string
	ClientID string
	Subject  string
	Scopes   Scopes
	// Resource is the one audience that the grant was asked for; "" where any of the
	// client's may be asked for at each refresh.
	Resource string
	AuthTime time.Time
	AMR      []string
	ACR      string

	Generation       int64
	LeafJTI, LeafKID string
	LeafIAT, LeafExp time.Time
	ParentJTI        *string
	RotatedAt        *time.Time
	Replays          int
	AbsoluteExp      time.Time
	UserEpoch        int64
	ClientEpoch      int64
	CreatedAt        time.Time
	RevokedAt        *time.Time
	RevokedReason    *string
	// SessionID is that of the browser's session in which it began; "" for none.
	SessionID string
}

// ListedFamily is a family with where it was used from, which only lists read: what was
// kept of its sign-in and of its last use.
type ListedFamily struct {
	Family
	First, Last Device
}

// LastUse is when the family was signed in to or last refreshed.
func (f *Family) LastUse() time.Time {
	if f.RotatedAt != nil {
		return *f.RotatedAt
	}
	return f.CreatedAt
}

// Ring names a sequence of signing keys.
type Ring string

// The two rings. Keys of [AccessRing] are published, those of [RefreshRing] never.
const (
	AccessRing  Ring = "access"
	RefreshRing Ring = "refresh"
)

// Key is a signing key without its private half. The schedule was written when the key
// was made and is never computed from today's configuration.
type Key struct {
	KID  string // RFC 7638 thumbprint
	Ring Ring
	Seq  int64
	Alg  string
	// PublicJWK is the public key as RFC 7517 JSON, public members only.
	PublicJWK []byte

	AnnouncedAt    time.Time
	RotateAfter    time.Time // the plan; a late rotation only means that the key signs longer
	SignsFrom      *time.Time
	SignsUntil     *time.Time
	PublishedUntil *time.Time
	RevokedAt      *time.Time
}

// KeyState is one of the five words of the glossary.
type KeyState string

// The states of a key, in the order of its life.
const (
	KeyAnnounced KeyState = "announced"
	KeySigning   KeyState = "signing"
	KeyRetired   KeyState = "retired"
	KeyExpired   KeyState = "expired"
	KeyRevoked   KeyState = "revoked"
)

// State is the state of the key at now, by the database's clock.
func (k *Key) State(now time.Time) KeyState {
	switch {
	case k.RevokedAt != nil:
		return KeyRevoked
	case k.SignsFrom == nil:
		return KeyAnnounced
	case k.SignsUntil == nil:
		return KeySigning
	case k.PublishedUntil != nil && !now.Before(*k.PublishedUntil):
		return KeyExpired
	default:
		return KeyRetired
	}
}
