package pages

import "slices"

// Names of the fields that the forms send.
const (
	FieldToken       = "form_token"
	FieldRequest     = "request"
	FieldUsername    = "username"
	FieldPassword    = "password"
	FieldAgain       = "password_again"   // of a new password, to be compared with it
	FieldCurrent     = "current_password" // of [Account]
	FieldNewPassword = "new_password"     // of [Account]
	FieldDecision    = "decision"         // of [Consent] and [SignOut]
	FieldDo          = "do"               // of [Account]
	FieldID          = "id"               // of [Account]: a device or an app
)

// Values of [FieldDecision].
const (
	Allow  = "allow"
	Deny   = "deny" // also: stay signed in
	Switch = "switch"
)

// Values of [FieldDo].
const (
	DoEnd       = "end"        // the device of [FieldID]
	DoEndOthers = "end_others" // all devices but this one
	DoRemove    = "remove"     // the consent given to the app of [FieldID]
	DoPassword  = "password"
	DoSignOut   = "sign_out"
)

// View is what one page shows: one of the structs of this package.
type View interface {
	page() page
}

// page is a view made ready: data is the view, cleaned.
type page struct {
	name      string
	uiLocales string
	data      any
}

const (
	accountPage  = "account.html"
	formPostPage = "form_post.html"
)

// opener is the Cross-Origin-Opener-Policy. A client that signs in by a pop-up needs its
// window back after the pages of its request; the account page is nobody else's business.
func (p page) opener() string {
	if p.name == accountPage {
		return "same-origin"
	}
	return "unsafe-none"
}

// SignIn asks for the password.
type SignIn struct {
	Action    string
	Request   string // empty: of no authorization request
	FormToken string
	UILocales string // parameter ui_locales of the request, here and below
	Client    string // the client's name
	Username  string // typed before, or login_hint
	Problem   Problem
	// RegisterURI is the page for new people. Empty: there is none.
	RegisterURI string
}

func (v SignIn) page() page {
	v.Client, v.Username = shown(v.Client, maxName), typed(v.Username)
	return page{"sign_in.html", v.UILocales, v}
}

// Focus names the field to begin with.
func (v SignIn) Focus() string { return firstEmpty(v.Username) }

// Register asks for a name and a password.
type Register struct {
	Action, Request, FormToken, UILocales string
	Client                                string
	Username                              string
	Problem                               Problem
	MinPassword                           int // characters
	// SignInURI leads back to [SignIn]. Empty: there is no link.
	SignInURI string
}

func (v Register) page() page {
	v.Client, v.Username = shown(v.Client, maxName), typed(v.Username)
	return page{"register.html", v.UILocales, v}
}

// Focus names the field to begin with: the name again, if that was the problem.
func (v Register) Focus() string {
	if v.Problem.Of(FieldUsername) {
		return FieldUsername
	}
	return firstEmpty(v.Username)
}

func firstEmpty(username string) string {
	if username == "" {
		return FieldUsername
	}
	return FieldPassword // is never filled in
}

// Consent asks whether a client may have what it asks for.
type Consent struct {
	Action, Request, FormToken, UILocales string
	Client                                string
	ClientURI                             string // https, else it is not shown
	Username                              string
	Scopes                                []string // all that is asked for
	NewScopes                             []string // those of Scopes that were not allowed before
	// RedirectHost is where the browser goes next, whatever the answer; a scheme for an
	// app on the device.
	RedirectHost string
	CanSwitch    bool // offers [Switch]
}

func (v Consent) page() page {
	v.Client, v.Username = shown(v.Client, maxName), typed(v.Username)
	v.ClientURI, v.RedirectHost = webURI(v.ClientURI), shownHost(v.RedirectHost)
	v.Scopes, v.NewScopes = shownScopes(v.Scopes), shownScopes(v.NewScopes)
	return page{"consent.html", v.UILocales, v}
}

// ClientHost is the host of ClientURI.
func (v Consent) ClientHost() string { return hostOf(v.ClientURI) }

// Asked are the scopes that the question is about.
func (v Consent) Asked() []string {
	if len(v.NewScopes) == 0 { // prompt=consent asks again
		return v.Scopes
	}
	return v.NewScopes
}

// Known are the scopes that were allowed before and are not asked about.
func (v Consent) Known() []string {
	asked := v.Asked()
	return slices.DeleteFunc(slices.Clone(v.Scopes), func(s string) bool { return slices.Contains(asked, s) })
}

// SignOut asks whether a sign-out that a site began is meant.
type SignOut struct {
	Action, Request, FormToken, UILocales string
	Client                                string // empty: not known
	Username                              string
}

func (v SignOut) page() page {
	v.Client, v.Username = shown(v.Client, maxName), typed(v.Username)
	return page{"sign_out.html", v.UILocales, v}
}

// SignedOut tells that a sign-out is done, or was not wanted.
type SignedOut struct {
	UILocales string
	Stayed    bool   // signed in
	Client    string // whose page HomeURI is; empty: the host's
	HomeURI   string // empty: no link
}

func (v SignedOut) page() page {
	v.Client, v.HomeURI = shown(v.Client, maxName), webURI(v.HomeURI)
	return page{"signed_out.html", v.UILocales, v}
}

// Error is for what cannot be told to a client by a redirect.
type Error struct {
	UILocales   string
	Code        string // of OAuth, or [Expired] or [CrossSite]
	Description string // in English, for the client's developer
	ErrorID     string // the request's id in the log
	HomeURI     string // empty: no link
}

func (v Error) page() page {
	v.Code, v.Description = shown(v.Code, maxName), shown(v.Description, maxDescription)
	v.ErrorID, v.HomeURI = shown(v.ErrorID, maxName), webURI(v.HomeURI)
	return page{"error.html", v.UILocales, v}
}

// FormPost sends the parameters of an authorization response by a form (OAuth 2.0 Form Post
// Response Mode): by a script of its own, and without scripts by its button.
type FormPost struct {
	UILocales string
	Action    string // the redirect URI; https or http, for no app takes a POST
	Fields    []Field
}

// Field is a parameter of [FormPost].
type Field struct{ Name, Value string }

func (v FormPost) page() page { return page{formPostPage, v.UILocales, v} }
