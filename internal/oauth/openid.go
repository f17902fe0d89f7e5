package oauth

// Scopes of OpenID Connect (OIDC Core §5.4, §11). The first makes a request one of it.
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeAddress = "address"
	ScopePhone   = "phone"
	ScopeOffline = "offline_access"
)

// scopeClaims are the claims that each scope asks for (OIDC Core §5.4).
var scopeClaims = []struct {
	scope  string
	claims []string
}{
	{ScopeProfile, []string{
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	}},
	{ScopeEmail, []string{"email", "email_verified"}},
	{ScopeAddress, []string{"address"}},
	{ScopePhone, []string{"phone_number", "phone_number_verified"}},
}

// scopeOf names the scope that each standard claim is asked for by.
var scopeOf = func() map[string]string {
	m := make(map[string]string)
	for _, s := range scopeClaims {
		for _, claim := range s.claims {
			m[claim] = s.scope
		}
	}
	return m
}()

// ScopeOfClaim names the scope that asks for a standard claim; "" for any other claim.
func ScopeOfClaim(claim string) string { return scopeOf[claim] }

// StandardClaims are all that have a scope, in the order of OIDC Core §5.4.
func StandardClaims() (all []string) {
	for _, s := range scopeClaims {
		all = append(all, s.claims...)
	}
	return all
}
