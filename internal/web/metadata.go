package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// metadataMaxAge: endpoints change with a new release or configuration, that is seldom.
const metadataMaxAge = 5 * time.Minute

// metadata is RFC 8414 §2, and as much of OIDC Discovery as is true. There is no member
// for what is not on; response_types_supported, although required, is such a one while
// there is no authorization endpoint: it would be empty, and §3.2 wants claims with zero
// elements omitted.
type metadata struct {
	Issuer                   string             `json:"issuer"`
	TokenEndpoint            string             `json:"token_endpoint"`
	JWKSURI                  string             `json:"jwks_uri"`
	GrantTypes               []oauth.GrantType  `json:"grant_types_supported"`
	TokenAuthMethods         []oauth.AuthMethod `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs            []string           `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpoint       string             `json:"revocation_endpoint"`
	RevocationAuthMethods    []oauth.AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs       []string           `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpoint    string             `json:"introspection_endpoint"`
	IntrospectionAuthMethods []oauth.AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs    []string           `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	// RevocationsEndpoint is ours: RFC 8414 §2 allows other members.
	RevocationsEndpoint string `json:"authd_revocations_endpoint,omitempty"`
	*authorizationMetadata
	*openIDMetadata
}

// openIDMetadata is OIDC Discovery §3 and RP-Initiated Logout §2.1.
type openIDMetadata struct {
	UserInfoEndpoint   string   `json:"userinfo_endpoint"`
	EndSessionEndpoint string   `json:"end_session_endpoint"`
	Scopes             []string `json:"scopes_supported"`
	SubjectTypes       []string `json:"subject_types_supported"`
	IDTokenAlgs        []string `json:"id_token_signing_alg_values_supported"`
	Claims             []string `json:"claims_supported"`
	Prompts            []string `json:"prompt_values_supported"`
	UILocales          []string `json:"ui_locales_supported"`
}

// newOpenIDMetadata names the standard claims that somebody can supply: the host, or else the
// built-in user store. Scopes of the host's own APIs are its clients' business.
func newOpenIDMetadata(issuer string, host bool) *openIDMetadata {
	m := &openIDMetadata{
		UserInfoEndpoint: issuer + userInfoPath, EndSessionEndpoint: issuer + endSessionPath,
		Scopes:       []string{oauth.ScopeOpenID, oauth.ScopeProfile, oauth.ScopeEmail},
		SubjectTypes: []string{"public"},
		IDTokenAlgs:  []string{"RS256"},
		Claims:       []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"},
		Prompts:      []string{oauth.PromptNone, oauth.PromptLogin, oauth.PromptConsent, oauth.PromptSelectAccount},
		UILocales:    pages.Languages(),
	}
	if host {
		m.Scopes = append(m.Scopes, oauth.ScopeAddress, oauth.ScopePhone)
		m.Claims = append(m.Claims, oauth.StandardClaims()...)
	} else {
		m.Claims = append(m.Claims, "name", "preferred_username", "email", "email_verified")
	}
	m.Scopes = append(m.Scopes, oauth.ScopeOffline)
	return m
}

// authorizationMetadata is there where the authorization endpoint is.
type authorizationMetadata struct {
	AuthorizationEndpoint string               `json:"authorization_endpoint"`
	PushEndpoint          string               `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
	RequirePushed         bool                 `json:"require_pushed_authorization_requests"` // of all clients; some may have to
	ResponseTypes         []string             `json:"response_types_supported"`
	ResponseModes         []oauth.ResponseMode `json:"response_modes_supported"`
	ChallengeMethods      []string             `json:"code_challenge_methods_supported"`
	IssParameter          bool                 `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	ClaimsParameter       bool                 `json:"claims_parameter_supported"`
	RequestParameter      bool                 `json:"request_parameter_supported"`
	RequestURIParameter   bool                 `json:"request_uri_parameter_supported"` // absent would mean true
}

func newAuthorizationMetadata(issuer string) *authorizationMetadata {
	return &authorizationMetadata{
		AuthorizationEndpoint: issuer + authorizePath,
		PushEndpoint:          issuer + pushPath,
		ResponseTypes:         []string{"code"},
		ResponseModes:         []oauth.ResponseMode{oauth.ModeQuery, oauth.ModeFormPost},
		ChallengeMethods:      []string{oauth.ChallengeS256},
		IssParameter:          true,
	}
}

func newMetadata(c *Config) (document, error) {
	issuer := c.Issuer
	grantTypes := []oauth.GrantType{oauth.ClientCredentials, oauth.RefreshToken}
	var revocations string
	if c.Feed != nil {
		revocations = issuer + "/oauth2/revocations"
	}
	var authorization *authorizationMetadata
	var openID *openIDMetadata
	if c.Browsing != nil {
		authorization, openID = newAuthorizationMetadata(issuer), newOpenIDMetadata(issuer, c.HostClaims)
		grantTypes = append(grantTypes, oauth.AuthorizationCode)
	}
	confidential := []oauth.AuthMethod{oauth.SecretBasic, oauth.SecretPost, oauth.PrivateKeyJWT}
	all := append(slices.Clone(confidential), oauth.AuthNone)
	algs := clients.AssertionAlgs()
	body, err := json.Marshal(metadata{
		Issuer:                   issuer,
		TokenEndpoint:            issuer + "/oauth2/token",
		JWKSURI:                  issuer + "/.well-known/jwks.json",
		GrantTypes:               grantTypes,
		TokenAuthMethods:         all,
		TokenAuthAlgs:            algs,
		RevocationEndpoint:       issuer + "/oauth2/revoke",
		RevocationAuthMethods:    all,
		RevocationAuthAlgs:       algs,
		IntrospectionEndpoint:    issuer + "/oauth2/introspect",
		IntrospectionAuthMethods: confidential,
		IntrospectionAuthAlgs:    algs,
		RevocationsEndpoint:      revocations,
		authorizationMetadata:    authorization,
		openIDMetadata:           openID,
	})
	if err != nil {
		return document{}, fmt.Errorf("metadata: %w", err)
	}
	sum := sha256.Sum256(body)
	return document{
		body: body, maxAge: metadataMaxAge,
		etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
	}, nil
}

// serveMetadata is the same at all well-known places, and knows no Host (RFC 8414 §3.3).
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) error {
	s.metadata.serve(w, r)
	return nil
}
