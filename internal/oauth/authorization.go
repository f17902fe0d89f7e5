package oauth

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ResponseMode is how an answer of the authorization endpoint reaches the client.
type ResponseMode string

// The modes of OAuth 2.0 Multiple Response Types §2.1 and Form Post Response Mode. There is
// no fragment: a code in it would be read by scripts.
const (
	ModeQuery    ResponseMode = "query"
	ModeFormPost ResponseMode = "form_post"
)

// The values of prompt (OIDC Core §3.1.2.1).
const (
	PromptNone          = "none"
	PromptLogin         = "login"
	PromptConsent       = "consent"
	PromptSelectAccount = "select_account"
)

// AuthorizationRequest is what a client asks the authorization endpoint for (RFC 6749
// §4.1.1), its parameters checked one by one and not yet against a registration.
type AuthorizationRequest struct {
	ClientID     string
	RedirectURI  string
	ResponseMode ResponseMode
	State        string // byte for byte as it came
	Scopes       Scopes
	Resource     string // RFC 8707; "" for none
	Challenge    string // of PKCE, S256; "" for none
	Nonce        string
	Prompt       []string
	MaxAge       *int // seconds
	LoginHint    string
	UILocales    string
	// IDTokenHint is an ID token as it came, and SubjectHint whom it names, once it has been
	// read.
	IDTokenHint, SubjectHint string
	// Pushed is the identifier of a request that was pushed before; then only ClientID stands
	// beside it.
	Pushed string
}

// Has reports whether prompt names the value.
func (r *AuthorizationRequest) Has(prompt string) bool { return slices.Contains(r.Prompt, prompt) }

// Limits of an authorization request.
const (
	MaxState    = 4 << 10
	maxNonce    = 1 << 10
	maxHint     = 320 // an e-mail address
	maxLocales  = 200
	maxResource = 1 << 10
	maxIDToken  = 8 << 10
	maxAgeDigit = 9
)

// ParseAuthorization reads the query of an authorization request. fatal is set where nobody
// knows whom to tell: it is for a page, and never for a redirect (RFC 6749 §4.1.2.1). refusal
// is for the client, once client and redirect URI have been checked; r then holds what an
// answer needs. Unknown parameters are ignored; beside the request_uri of a pushed request, so
// are all but client_id (RFC 9126 §4, RFC 9101 §5).
func ParseAuthorization(query string) (r AuthorizationRequest, refusal, fatal *Error) {
	p, fatal := parseParams(query)
	if fatal != nil {
		return r, nil, fatal
	}
	if r.ClientID, fatal = p.only("client_id"); fatal != nil {
		return r, nil, fatal
	}
	if isPushed(p.get("request_uri")) {
		r.Pushed, fatal = p.pushed()
		return r, nil, fatal
	}
	if r.RedirectURI, fatal = p.only("redirect_uri"); fatal != nil {
		return r, nil, fatal
	}
	refusal = p.read(&r)
	return r, refusal, nil
}

// read reads all that is for the client to be told of.
func (p params) read(r *AuthorizationRequest) *Error {
	r.setResponseMode(p.get("response_mode"))
	r.setState(p.get("state"))
	p.answerAs(r)
	for _, check := range []func(*AuthorizationRequest) *Error{
		p.checkForm, p.checkKind, p.checkClaims, p.readScope, p.readChallenge, p.readOpenID,
	} {
		if refusal := check(r); refusal != nil {
			return refusal
		}
	}
	return nil
}

func (r *AuthorizationRequest) setResponseMode(mode string) {
	r.ResponseMode = ModeQuery
	if ResponseMode(mode) == ModeFormPost && isWeb(r.RedirectURI) {
		r.ResponseMode = ModeFormPost
	}
}

func (r *AuthorizationRequest) setState(state string) {
	if len(state) <= MaxState && IsText(state) {
		r.State = state
	}
}

// params are those of a query, with all values of each.
type params map[string][]string

func parseParams(query string) (params, *Error) {
	if len(query) > MaxFormBytes {
		return nil, Errorf(InvalidRequest, "the request is larger than 64 KiB")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, Errorf(InvalidRequest, "the request is not percent-encoded correctly")
	}
	n := 0
	for _, v := range values {
		n += len(v)
	}
	if n > maxFormParams {
		return nil, Errorf(InvalidRequest, "the request has more than %d parameters", maxFormParams)
	}
	return params(values), nil
}

// only returns a parameter on which everything depends.
func (p params) only(name string) (string, *Error) {
	switch v := p[name]; {
	case len(v) == 0 || len(v) == 1 && v[0] == "":
		return "", Errorf(InvalidRequest, "%s is missing", name)
	case len(v) > 1:
		return "", Errorf(InvalidRequest, "%s is repeated", name)
	case len(v[0]) > maxRedirectURI || !IsText(v[0]):
		return "", Errorf(InvalidRequest, "%s is malformed", name)
	default:
		return v[0], nil
	}
}

// get returns "" for what is absent, and for what stands there twice: it could be read in
// two ways.
func (p params) get(name string) string {
	if v := p[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// checkForm is of all parameters that are read.
func (p params) checkForm(*AuthorizationRequest) *Error {
	for _, name := range readParams {
		if len(p[name.name]) > 1 && name.name == "resource" { // RFC 8707 §2 allows it; a token of ours is for one
			return Errorf(InvalidTarget, "a token is for one resource")
		}
		if len(p[name.name]) > 1 {
			return Errorf(InvalidRequest, "%s is repeated", name.name)
		}
		if v := p.get(name.name); len(v) > name.most || !IsText(v) {
			return Errorf(InvalidRequest, "%s is too long, or no text", name.name)
		}
	}
	return nil
}

// readParams are all that are read, with how many bytes each may have.
var readParams = []struct {
	name string
	most int
}{
	{"response_type", 100},
	{"response_mode", 100},
	{"state", MaxState},
	{"scope", maxFormValue},
	{"resource", maxResource},
	{"code_challenge", 1 << 10},
	{"code_challenge_method", 100},
	{"nonce", maxNonce},
	{"prompt", 100},
	{"max_age", 100},
	{"login_hint", maxHint},
	{"ui_locales", maxLocales},
	{"id_token_hint", maxIDToken},
	{"request", maxFormValue},
	{"request_uri", maxFormValue},
	{"claims", maxFormValue},
	{"registration", maxFormValue},
}

// checkKind refuses what would change the meaning of the rest, and is not supported.
func (p params) checkKind(r *AuthorizationRequest) *Error {
	switch {
	case p.get("request") != "": // RFC 9101 §6.2; nothing is fetched, whatever it says
		return Errorf(RequestNotSupported, "request objects are not supported")
	case p.get("request_uri") != "":
		return Errorf(RequestURINotSupported, "request_uri is not supported")
	case p.get("registration") != "": // OIDC Core §7.2.1
		return Errorf(RegistrationNotSupported, "registration is not supported")
	case p.get("response_type") == "":
		return Errorf(InvalidRequest, "response_type is missing")
	case p.get("response_type") != "code":
		return Errorf(UnsupportedResponseType, "response_type must be code")
	}
	switch ResponseMode(p.get("response_mode")) {
	case "", ModeQuery, r.ResponseMode:
		return nil
	case ModeFormPost:
		return Errorf(InvalidRequest, "response_mode form_post needs an http or https redirect_uri")
	}
	return Errorf(InvalidRequest, "response_mode must be query or form_post")
}

// isWeb: a form can be posted nowhere else.
func isWeb(uri string) bool {
	return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")
}

func (p params) readScope(r *AuthorizationRequest) *Error {
	scopes, err := ParseScopes(p.get("scope"))
	if err != nil {
		return Errorf(InvalidScope, "scope is malformed")
	}
	r.Scopes, r.Resource = scopes, p.get("resource")
	return nil
}

func (p params) readChallenge(r *AuthorizationRequest) *Error {
	r.Challenge = p.get("code_challenge")
	method := p.get("code_challenge_method")
	switch {
	case r.Challenge == "" && method != "":
		return Errorf(InvalidRequest, "code_challenge is missing")
	case r.Challenge == "":
		return nil
	case method != ChallengeS256: // absent means plain (RFC 7636 §4.3)
		return Errorf(InvalidRequest, "code_challenge_method must be S256")
	case !IsCodeChallenge(r.Challenge):
		return Errorf(InvalidRequest, "code_challenge must be 43 characters of base64url, as of SHA-256")
	}
	return nil
}

// readOpenID reads what OIDC Core §3.1.2.1 adds; it holds for requests without openid, too.
func (p params) readOpenID(r *AuthorizationRequest) *Error {
	r.Nonce, r.LoginHint, r.UILocales = p.get("nonce"), p.get("login_hint"), p.get("ui_locales")
	r.IDTokenHint = p.get("id_token_hint")
	r.Prompt = strings.Fields(p.get("prompt"))
	for _, v := range r.Prompt {
		switch v {
		case PromptNone, PromptLogin, PromptConsent, PromptSelectAccount:
		default:
			return Errorf(InvalidRequest, "prompt must be none, login, consent or select_account")
		}
	}
	if r.Has(PromptNone) && len(r.Prompt) > 1 {
		return Errorf(InvalidRequest, "prompt must not have none beside other values")
	}
	if age := p.get("max_age"); age != "" {
		n, err := strconv.ParseUint(age, 10, 31)
		if err != nil || len(age) > maxAgeDigit {
			return Errorf(InvalidRequest, "max_age must be whole seconds")
		}
		r.MaxAge = new(int(n))
	}
	return nil
}
