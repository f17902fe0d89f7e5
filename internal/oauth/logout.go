package oauth

// LogoutRequest is what a client asks the end-session endpoint for (OIDC RP-Initiated Logout
// §2), its parameters checked one by one and not yet against a registration.
type LogoutRequest struct {
	IDTokenHint string
	ClientID    string
	RedirectURI string // post_logout_redirect_uri
	State       string // byte for byte as it came
	UILocales   string
}

// logoutParams are all that are read, with how many bytes each may have. logout_hint is not:
// there is one session in a browser.
var logoutParams = []struct {
	name string
	most int
	into func(*LogoutRequest) *string
}{
	{"id_token_hint", maxIDToken, func(r *LogoutRequest) *string { return &r.IDTokenHint }},
	{"client_id", 128, func(r *LogoutRequest) *string { return &r.ClientID }},
	{"post_logout_redirect_uri", maxRedirectURI, func(r *LogoutRequest) *string { return &r.RedirectURI }},
	{"state", MaxState, func(r *LogoutRequest) *string { return &r.State }},
	{"ui_locales", maxLocales, func(r *LogoutRequest) *string { return &r.UILocales }},
}

// ParseLogout reads the query of a logout request. Unknown parameters are ignored; a refusal
// is for a page.
func ParseLogout(query string) (r LogoutRequest, err error) {
	p, refusal := parseParams(query)
	if refusal != nil {
		return r, refusal
	}
	for _, param := range logoutParams {
		if len(p[param.name]) > 1 {
			return LogoutRequest{}, Errorf(InvalidRequest, "%s is repeated", param.name)
		}
		v := p.get(param.name)
		if len(v) > param.most || !IsText(v) {
			return LogoutRequest{}, Errorf(InvalidRequest, "%s is too long, or no text", param.name)
		}
		*param.into(&r) = v
	}
	return r, nil
}

// Location is where the browser goes after the sign-out: the redirect URI, with the state.
func (r *LogoutRequest) Location() string {
	a := AuthorizationAnswer{RedirectURI: r.RedirectURI}
	if r.State != "" {
		a.Params = []Param{{"state", r.State}}
	}
	return a.Location()
}
