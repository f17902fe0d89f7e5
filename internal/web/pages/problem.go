package pages

import "slices"

// Problem is why a form is shown again: a code of package oauth, or one of those below. A
// code that is not here is told in general words.
type Problem string

// The problems. Those that are also codes of package oauth can be converted.
const (
	InvalidCredentials Problem = "invalid_credentials"
	TooManyAttempts    Problem = "too_many_attempts"
	Unavailable        Problem = "temporarily_unavailable"
	UsernameTaken      Problem = "username_taken"
	InvalidUsername    Problem = "invalid_request" // what package authn refuses a name with
	WeakPassword       Problem = "weak_password"
	Mismatch           Problem = "mismatch" // of a password and its repetition
	Missing            Problem = "missing"  // a field is empty
	Stale              Problem = "stale"    // the form's token is too old; nothing was done
	// SignInAgain: the sign-in is too long ago for what was asked; nothing was done.
	SignInAgain Problem = "insufficient_user_authentication"
)

var fieldsOf = map[Problem][]string{
	InvalidCredentials: {FieldUsername, FieldPassword, FieldCurrent},
	UsernameTaken:      {FieldUsername},
	InvalidUsername:    {FieldUsername},
	WeakPassword:       {FieldPassword, FieldNewPassword},
	Mismatch:           {FieldAgain},
}

// Of reports whether the problem is with what stands in field.
func (p Problem) Of(field string) bool { return slices.Contains(fieldsOf[p], field) }

// Done is what a form of [Account] did.
type Done string

// What forms do.
const (
	Ended           Done = "ended"
	EndedOthers     Done = "ended_others"
	Removed         Done = "removed"
	PasswordChanged Done = "password_changed"
)

// Codes of [Error] that no RFC has.
const (
	Expired   = "expired"    // the authorization request, or its page
	CrossSite = "cross_site" // a form that another site sent
)
