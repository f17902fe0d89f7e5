package oauth

import (
	"encoding/base64"
	"slices"
	"strings"
)

// checkClaims leaves the claims parameter without effect, as OIDC Core §5.5 advises a server that
// does not support it: what a client learns follows from its scopes. Refused is only what must
// not be granted unheard: a person or an authentication that the client depends on (§5.5.1.1).
func (p params) checkClaims(*AuthorizationRequest) *Error {
	text := p.get("claims")
	if text == "" {
		return nil
	}
	claims, err := DecodeClaims([]byte(text))
	if err != nil {
		return Errorf(InvalidRequest, "claims is no JSON object")
	}
	for _, place := range []string{"id_token", "userinfo"} {
		asked, _ := claims[place].(map[string]any)
		if demands(asked["sub"]) {
			return Errorf(InvalidRequest, "claims cannot demand a sub: send id_token_hint")
		}
		if acr, _ := asked["acr"].(map[string]any); acr["essential"] == true && demands(acr) {
			return Errorf(InvalidRequest, "claims cannot demand an acr")
		}
	}
	return nil
}

// demands reports whether a member of claims names the values that it may have.
func demands(member any) bool {
	of, _ := member.(map[string]any)
	return of["value"] != nil || of["values"] != nil
}

// answerAs takes from a request object how its refusal is to reach the client, where the
// parameters beside it do not say so. Nobody has verified the object: nothing else in it counts,
// and the answer goes to a redirect URI that is registered, or nowhere.
func (p params) answerAs(r *AuthorizationRequest) {
	parts := strings.Split(p.get("request"), ".")
	if len(parts) != 3 {
		return
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return
	}
	object, err := DecodeClaims(payload)
	if err != nil {
		return
	}
	mode, _ := object["response_mode"].(string)
	state, _ := object["state"].(string)
	beside := func(name string) bool { return slices.ContainsFunc(p[name], func(v string) bool { return v != "" }) }
	if !beside("response_mode") {
		r.setResponseMode(mode)
	}
	if !beside("state") {
		r.setState(state)
	}
}
