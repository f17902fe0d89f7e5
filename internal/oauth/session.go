package oauth

import "time"

// Session is somebody signed in, in one browser.
type Session struct {
	SHA256    []byte // of the cookie's value
	ID        string // stays the same when the person proves again who they are
	Subject   string
	Username  string // as it was typed
	AuthTime  time.Time
	CreatedAt time.Time
}

// ListedSession is a session with what only lists read.
type ListedSession struct {
	Session
	LastUsedAt time.Time
	ExpiresAt  time.Time // unless it is used before
	Device     Device    // of the sign-in
}

// Consent is what a person has allowed a client.
type Consent struct {
	ClientID  string
	Scopes    Scopes
	AllowedAt time.Time
}

// CodeGrant is what an authorization code was made for, and what became of it.
type CodeGrant struct {
	ClientID    string
	ClientEpoch int64
	RedirectURI string
	Challenge   string // of PKCE; "" for none
	Nonce       string
	Subject     string
	UserEpoch   int64
	Scopes      Scopes
	Resource    string
	AuthTime    time.Time
	AMR         []string
	ACR         string
	ExpiresAt   time.Time
	Guesses     int // wrong ones
	ConsumedAt  *time.Time
	FamilyID    *string
}
