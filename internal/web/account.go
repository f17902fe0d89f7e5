package web

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// login serves POST /account/login.
func (s *Server) login(w http.ResponseWriter, r *http.Request, body []byte) error {
	in, c, err := s.parseSignIn(r, body, "username", "password")
	if err != nil {
		return err
	}
	response, err := s.cfg.SignIn.Login(r.Context(), in, c["username"], c["password"])
	return answer(w, http.StatusOK, response, err)
}

// register serves POST /account/register.
func (s *Server) register(w http.ResponseWriter, r *http.Request, body []byte) error {
	in, c, err := s.parseSignIn(r, body, "username", "password")
	if err != nil {
		return err
	}
	response, err := s.cfg.Users.Register(r.Context(), in, authn.NewUser{
		Username: c["username"], Password: c["password"], Email: c["email"], Name: c["name"],
	})
	return answer(w, http.StatusCreated, response, err)
}

// changePassword serves POST /account/password.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request, body []byte) error {
	in, c, err := s.parseSignIn(r, body, "username", "password", "new_password")
	if err != nil {
		return err
	}
	response, err := s.cfg.Users.ChangePassword(r.Context(), in, c["username"], c["password"], c["new_password"])
	return answer(w, http.StatusOK, response, err)
}

func answer(w http.ResponseWriter, status int, response grants.Response, err error) error {
	if err != nil {
		return err
	}
	writeJSON(w, status, response)
	return nil
}

// logout serves POST /account/logout: of a refresh token at the wish of its client, or of
// an access token at the wish of its bearer, who may know nothing else.
func (s *Server) logout(w http.ResponseWriter, r *http.Request, body []byte) error {
	token, isBearer, err := bearer(r.Header.Values("Authorization"))
	switch {
	case err != nil:
		return err
	case isBearer:
		err = s.logoutBearer(r, token, body)
	default:
		err = s.logoutClient(r, body)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

func (s *Server) logoutBearer(r *http.Request, token string, body []byte) error {
	if len(body) > 0 { // whose family would it be?
		return oauth.Errorf(oauth.InvalidRequest, "log out by access token takes no request body")
	}
	return s.cfg.Tokens.Logout(r.Context(), token)
}

func (s *Server) logoutClient(r *http.Request, body []byte) error {
	in, c, err := parseAccount(r, body, "refresh_token")
	if err != nil {
		return err
	}
	return s.cfg.Tokens.Revoke(r.Context(), firstParty{in.Caller}, c["refresh_token"], tokens.ReasonLogout)
}

// firstParty is a caller that must be registered as such, as for all account calls; the
// other ones ask for tokens, and package grants sees to it.
type firstParty struct{ tokens.Caller }

// Check implements [tokens.Caller].
func (c firstParty) Check(client *oauth.Client) error {
	if err := c.Caller.Check(client); err != nil {
		return err
	}
	return client.CheckFirstParty()
}

// bearer reads the access token of RFC 6750 §2.1. Another scheme is not its business.
func bearer(authorization []string) (token string, ok bool, err error) {
	if len(authorization) > 1 {
		return "", false, oauth.Errorf(oauth.InvalidRequest, "more than one Authorization header")
	}
	if len(authorization) == 0 {
		return "", false, nil
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	return strings.TrimLeft(token, " "), true, nil
}

// parseSignIn also asks where the call came from.
func (s *Server) parseSignIn(r *http.Request, body []byte, required ...string) (grants.SignIn, members, error) {
	in, c, err := parseAccount(r, body, required...)
	if err != nil {
		return in, nil, err
	}
	in.From, in.Address = s.cfg.Device(r), s.cfg.Address(r)
	return in, c, nil
}

// members are those of an account call that are known, as text; "" for one that is absent.
type members map[string]string

// parseAccount reads the call and the client's credentials, and refuses a call in which
// one of required is missing.
func parseAccount(r *http.Request, body []byte, required ...string) (grants.SignIn, members, error) {
	c, err := parseMembers(r.Header.Values("Content-Type"), body)
	if err != nil {
		return grants.SignIn{}, nil, err
	}
	credentials, err := clients.ParseCredentials(r.Header.Values("Authorization"), oauth.Form{"client_id": c["client_id"]})
	if err != nil {
		return grants.SignIn{}, nil, err
	}
	for _, name := range required {
		if c[name] == "" {
			return grants.SignIn{}, nil, oauth.Errorf(oauth.InvalidRequest, "%s is missing", name)
		}
	}
	return grants.SignIn{
		Caller: caller{credentials, eventOf(r.Context())},
		Form:   oauth.Form{"scope": c["scope"], "resource": c["resource"], "expires_in": c["expires_in"]},
	}, c, nil
}

// known are the members that are read. What is no password goes into the database or a
// comparison, so that it must have no control characters; a password is any text.
var known = []struct {
	name string
	kind kind
}{
	{"client_id", text},
	{"username", text},
	{"password", anyText},
	{"new_password", anyText},
	{"email", text},
	{"name", text},
	{"scope", text},
	{"resource", text},
	{"expires_in", number},
	{"refresh_token", text},
}

type kind int

const (
	text kind = iota
	anyText
	number
)

// parseMembers is as strict as forms are: a member that stands there twice could be read
// in two ways. null is as absent.
func parseMembers(contentType []string, body []byte) (members, error) {
	object, err := parseObject(contentType, body)
	if err != nil {
		return nil, err
	}
	if _, ok := object["client_secret"]; ok {
		return nil, oauth.Errorf(oauth.InvalidRequest, "client_secret must not be sent in JSON: authenticate by Basic")
	}
	c := make(members)
	for _, m := range known {
		value := object[m.name]
		if value == nil {
			continue
		}
		if c[m.name], err = m.kind.read(m.name, value); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func parseObject(contentType []string, body []byte) (map[string]any, error) {
	notJSON := oauth.Errorf(oauth.InvalidRequest, "request body must be JSON")
	// Pages of other origins cannot send this type without a preflight. Two headers make
	// one that is no media type.
	mediaType, _, err := mime.ParseMediaType(strings.Join(contentType, ","))
	if err != nil || mediaType != "application/json" {
		return nil, notJSON.Because("content type is not application/json")
	}
	object, err := oauth.DecodeClaims(body)
	if err != nil && json.Valid(body) {
		return nil, oauth.Errorf(oauth.InvalidRequest,
			"request body must be one JSON object in UTF-8 without repeated members").Because(err.Error())
	}
	if err != nil {
		return nil, notJSON.Because(err.Error())
	}
	return object, nil
}

// read returns the digits of a number as they were sent.
func (k kind) read(name string, value any) (string, error) {
	if k == number {
		if n, ok := value.(json.Number); ok {
			return n.String(), nil
		}
		return "", oauth.Errorf(oauth.InvalidRequest, "%s must be a number", name)
	}
	s, ok := value.(string)
	if !ok {
		return "", oauth.Errorf(oauth.InvalidRequest, "%s must be a string", name)
	}
	if k == text && !oauth.IsText(s) {
		return "", oauth.Errorf(oauth.InvalidRequest, "%s must not have control characters", name)
	}
	return s, nil
}
