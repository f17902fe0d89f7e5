package authd

import (
	"context"
	"net/netip"
	"time"
)

// Authenticator is the host's user store.
type Authenticator interface {
	// Authenticate returns the subject with these credentials, or an error wrapping
	// [ErrInvalidCredentials] for every reason that a person can cause; any other error is
	// an outage. It must take equally long for unknown users and wrong passwords.
	Authenticate(ctx context.Context, username, password string) (Subject, error)
}

// Subject is who signed in.
type Subject struct {
	// ID becomes "sub": it never changes, is never given to somebody else, and is no
	// registered client's identifier. 1 to 255 bytes of text.
	ID string
	// AMR and ACR tell how (RFC 8176, OIDC Core §2). AMR defaults to "pwd".
	AMR []string
	ACR string
	// AuthTime is when, which becomes "auth_time" and by which max_age is judged (OIDC Core
	// §2, §3.1.2.1); zero for now. More than 5 s ahead of the database's clock it is refused.
	AuthTime time.Time
	// Name is how pages call the person; "" for as it was typed, else ID.
	Name string
}

// Device is where a sign-in or a refresh came from. It is personal data: nothing is kept
// unless [Config.Device] or [SignedIn] says so, it stands in no log and no event, and it goes
// with the family's row.
type Device struct {
	Address netip.Addr // kept without a zone; the zero value for none
	// UserAgent is kept up to 256 bytes, without what cannot be printed.
	UserAgent string
}

// Grant is what an access token is issued for.
type Grant struct {
	// Type is the grant type, or "sign_in" for one of the account calls.
	Type     string
	ClientID string
	Subject  string
	Scopes   []string
	Audience string
	FamilyID string // "" for client_credentials
	AuthTime time.Time
	AMR      []string
	ACR      string
	Fresh    bool // straight from a sign-in
}

// RequestInfo tells of a request after its answer.
type RequestInfo struct {
	Route    string // the pattern, never the path or the query of the request
	Method   string
	Status   int
	Duration time.Duration
	Error    string // the code of the refusal; "" for a success
}

// Event is one of [GrantIssued], [FamilyRevoked], [ReuseDetected], [GraceReplayed],
// [ForeignTokenRefused], [ConstantChallenge], [TokenRevoked], [SubjectEnded], [ClientEnded], [KeyAnnounced],
// [KeyRotated], [KeyRevoked] and [KeyExpired].
type Event interface{ isEvent() }

// GrantIssued: an access token was issued, and with FamilyID maybe a refresh token.
type GrantIssued struct{ Grant Grant }

// FamilyRevoked: a family was ended by its client, its bearer, its subject or the operator.
type FamilyRevoked struct{ FamilyID, ClientID, Subject, Reason string }

// ReuseDetected: an older refresh token came back outside the grace window, and the
// family is ended. With Fork the token was newer than the database: it has gone back in
// time, as after a fail-over to an asynchronous standby, or a key has leaked.
type ReuseDetected struct {
	FamilyID, ClientID, Subject string
	Generation, LeafGeneration  int64
	Fork                        bool
}

// GraceReplayed: a refresh token was answered once more inside the grace window.
type GraceReplayed struct {
	FamilyID, ClientID string
	Replays            int
}

// ForeignTokenRefused: a client presented a refresh token of another. Nothing changed.
type ForeignTokenRefused struct{ FamilyID, ClientID, PresentedBy string }

// ConstantChallenge: a client has used one code_challenge for more than three authorization
// codes within an hour, so that its PKCE protects nothing (RFC 9700 §2.1.1). It got its code;
// each further one is told again.
type ConstantChallenge struct{ ClientID string }

// TokenRevoked: one access token was ended.
type TokenRevoked struct{ JTI, ClientID, Subject string }

// SubjectEnded: all grants of a subject were ended.
type SubjectEnded struct{ Subject string }

// ClientEnded: all that a client was given was ended.
type ClientEnded struct{ ClientID string }

// KeyAnnounced: a key is published, and signs after the next rotation.
type KeyAnnounced struct{ Ring, KeyID string }

// KeyRotated: a ring has a new signing key.
type KeyRotated struct{ Ring, Previous, Signing, Announced string }

// KeyRevoked: a key was withdrawn.
type KeyRevoked struct{ Ring, KeyID string }

// KeyExpired: this server has stopped publishing a key, whose tokens are over. It is the
// one event that every server of a database sends.
type KeyExpired struct{ Ring, KeyID string }

func (GrantIssued) isEvent()         {}
func (FamilyRevoked) isEvent()       {}
func (ReuseDetected) isEvent()       {}
func (GraceReplayed) isEvent()       {}
func (ForeignTokenRefused) isEvent() {}
func (ConstantChallenge) isEvent()   {}
func (TokenRevoked) isEvent()        {}
func (SubjectEnded) isEvent()        {}
func (ClientEnded) isEvent()         {}
func (KeyAnnounced) isEvent()        {}
func (KeyRotated) isEvent()          {}
func (KeyRevoked) isEvent()          {}
func (KeyExpired) isEvent()          {}
